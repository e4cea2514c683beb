"""Values that forward saves and backward does not take."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.repaired import LAYER, mistaken


class Stack(Kind):
    """Values that forward saves and backward does not take."""

    name = "stack"
    about = Contract
    title = "stack not empty", "Stack nicht leer"
    look = ("one self.saved() for each self.save()", "ein self.saved() für jedes self.save()")
    says = {
        "left": (
            "{count} of the values that forward saved are left after backward",
            "{count} der Werte, die forward gesichert hat, sind nach backward noch da",
        )
    }

    def judge(self, evidence: Contract) -> Findings:
        """Count what is left."""
        if evidence.left:
            yield self.finding(evidence, "left", count=evidence.left)

    wrong = mistaken("self.save(x, y)", "self.save(x, y)\n        self.save(x, y)")
    right = LAYER
