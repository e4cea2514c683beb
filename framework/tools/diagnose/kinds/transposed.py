"""A transposed operand, or axes in another order, in backward."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class Transposed(RepairedKind):
    """A matrix that has to be transposed, factors in the wrong order, permuted axes."""

    name = "transpose"
    title = "missing transpose", "fehlende Transposition"
    look = (
        "the index form: dW_oi = Σ_n dy_no x_ni; write shapes beside every product",
        "die Indexform: dW_oi = Σ_n dy_no x_ni; Shapes neben jedes Produkt schreiben",
    )
    says = telling("the axes are in the wrong order", "die Achsen sind in falscher Reihenfolge") | {
        "itself": ("transposed, it would be right", "transponiert wäre er richtig"),
        "parameter": (
            "with {name} transposed, it would be right",
            "mit transponiertem {name} wäre er richtig",
        ),
    }
    wrong = mistaken("self.w.data.T", "self.w.data")

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right transposed, or with a parameter transposed in backward."""
        rerun, wrong = evidence.rerun, evidence.wrong
        if wrong.explains(wrong.analytic.T):
            yield self.finding(evidence, "itself")
        for name, parameter in rerun.trained:
            data, original = parameter.data, parameter.data.copy()
            if data.ndim < 2 or data.shape != data.T.shape:
                continue

            def transpose(data=data, original=original):
                data[...] = original.T

            try:
                gradient = rerun.backward(between=transpose)[wrong.name]
            finally:
                data[...] = original
            if wrong.explains(gradient):
                yield self.finding(evidence, "parameter", name=name)
