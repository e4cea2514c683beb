"""A gradient that backward overwrites instead of adding to it."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class NotAccumulated(RepairedKind):
    """``grad = ...``, or ``grad[i] += d`` where an index occurs twice."""

    name = "not-accumulated"
    about = (WrongGradient, Contract)
    mistakes = frozenset({"accumulate"})
    title = "not accumulated", "nicht aufsummiert"
    look = (
        "self.weight.grad += ... instead of = : shared weights and micro-batches add up",
        "self.weight.grad += ... statt = : geteilte Gewichte und Micro-Batches summieren sich",
    )
    says = telling("it overwrites instead of adding", "er wird überschrieben statt addiert") | {
        "overwritten": (
            "it overwrites grad instead of adding to it",
            "grad wird überschrieben, statt dass der Gradient addiert wird",
        ),
        "dependent": (
            "it depends on the earlier values of grad",
            "er hängt von den früheren Werten von grad ab",
        ),
    }

    def judge(self, evidence: Contract | WrongGradient) -> Findings:
        """Compare the gradients that start from zero with those that start from numbers."""
        if isinstance(evidence, WrongGradient):
            yield from super().judge(evidence)
        elif evidence.overwritten:
            yield self.finding(evidence, "overwritten", gradient=evidence.overwritten)
        elif evidence.dependent:
            yield self.finding(evidence, "dependent", gradient=evidence.dependent)

    wrong = mistaken("self.w.grad += ", "self.w.grad[...] = ")
