"""A sum over the wrong axis, or none, in backward."""

from firstlight.tools.diagnose.probes.repair import Repair
from firstlight.tools.diagnose.probes.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class BatchSum(RepairedKind):
    """A parameter's gradient that is not summed over the samples."""

    name = "batch-sum"
    order = 38
    mistakes = frozenset({"sum", "index"})
    title = "missing sum over the batch", "fehlende Summe über den Batch"
    look = (
        "the sum over samples: one parameter serves them all, so their gradients add",
        "die Summe über die Beispiele: ein Parameter dient allen, ihre Gradienten addieren sich",
    )
    says = telling("the sum over the batch is missing", "die Summe über den Batch fehlt")
    wrong = mistaken("dz.sum(axis=0)", "dz[0]")

    def fits(self, repair: Repair, evidence: WrongGradient) -> bool:
        """Return whether a sum was added where there was none."""
        old, new = repair.edit.old, repair.edit.written
        added = "sum(" in new and "sum(" not in old and "mean(" not in old
        return repair.edit.mistake in self.mistakes and added


class WrongSum(RepairedKind):
    """A sum over the wrong axis, or one that does not belong there."""

    name = "sum-axis"
    mistakes = frozenset({"sum"})
    title = "sum over the wrong axis", "Summe über die falsche Achse"
    look = (
        "over which axes forward broadcasts: backward sums over these, and no others",
        "über welche Achsen forward verteilt: backward summiert über diese und keine anderen",
    )
    says = telling("the sum is wrong", "die Summe ist falsch")
    wrong = mistaken("dz.sum(axis=0)", "dz.sum()")
