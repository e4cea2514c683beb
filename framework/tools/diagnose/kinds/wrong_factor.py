"""A wrong, missing or superfluous factor in backward."""

from firstlight.tools.diagnose.kind import Findings, in_language
from firstlight.tools.diagnose.probes.module.repair import Repair
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling

SIZE = {True: ("large", "groß"), False: ("small", "klein")}


class BatchFactor(RepairedKind):
    """A factor that is the number of samples."""

    name = "batch-factor"
    order = 39
    mistakes = frozenset({"factor", "sum"})
    title = "factor of the batch size", "Faktor der Batch Size"
    look = (
        "where the mean over the batch is taken: in the loss, and only there",
        "wo über den Batch gemittelt wird: im Loss und nur dort",
    )
    says = telling("a factor is the batch size", "ein Faktor ist die Batch Size") | {
        "numbers": (
            "in all entries it is too {size}, by the batch size",
            "in allen Einträgen ist er zu {size}, um den Faktor der Batch Size",
        )
    }
    wrong = mistaken("x.T @ dz", "x.T @ dz / len(x)")

    def fits(self, repair: Repair, evidence: WrongGradient) -> bool:
        """Return whether the gradient is wrong by a multiple of the number of samples."""
        return repair.edit.mistake in self.mistakes and evidence.is_off_by_samples()

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right times or over the number of samples."""
        if evidence.is_off_by_samples():
            yield self.finding(evidence, "numbers", size=in_language(SIZE[evidence.factor < 1]))


class WrongFactor(RepairedKind):
    """Another factor: a constant, a weight or a mask of forward."""

    name = "factor"
    title = "wrong factor", "falscher Faktor"
    look = (
        "constants of forward: each has to be in backward, once",
        "die Konstanten von forward: jede gehört einmal in backward",
    )
    says = telling("a factor is wrong", "ein Faktor ist falsch") | {
        "numbers": (
            "in all entries it is {ratio:.4g} times too {size}",
            "in allen Einträgen ist er {ratio:.4g}-mal zu {size}",
        )
    }
    wrong = mistaken("y = np.tanh(x @", "y = np.tanh(0.5 * x @", "return dz", "return 0.5 * dz")

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right times a number; a single number always is."""
        factor = evidence.factor
        if factor and evidence.wrong.values.size > 1:
            size, ratio = in_language(SIZE[factor < 1]), max(abs(factor), 1 / abs(factor))
            yield self.finding(evidence, "numbers", ratio=ratio, size=size)
