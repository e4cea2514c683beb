"""An array that others still need, changed in place."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.contract import Contract
from firstlight.tools.diagnose.repaired import LAYER, mistaken


class InPlace(Kind):
    """An array that others still need, changed in place."""

    name = "in-place"
    about = Contract
    title = "changed in place", "in place geändert"
    look = (
        "work on a copy, or write into a new array with out=",
        "mit einer Kopie arbeiten, oder mit out= in ein neues Array schreiben",
    )
    says = {
        "forward x": (
            "forward changes its input in place; others keep it for backward",
            "forward ändert seine Eingabe in place; andere brauchen sie noch für backward",
        ),
        "backward x": (
            "backward changes the input of forward in place",
            "backward ändert die Eingabe von forward in place",
        ),
        "dy": (
            "backward changes dy in place; the caller may still need it",
            "backward ändert dy in place; der Aufrufer braucht es vielleicht noch",
        ),
        "weights": (
            "backward changes {name} itself, which only the optimizer does",
            "backward ändert {name} selbst, was nur der Optimizer darf",
        ),
    }

    def judge(self, evidence: Contract) -> Findings:
        """Say what is changed."""
        if evidence.changed in evidence.parameters:
            yield self.finding(evidence, "weights", name=evidence.changed)
        elif evidence.changed:
            yield self.finding(evidence, evidence.changed)

    wrong = mistaken("        y = np.tanh(", "        x *= 2\n        y = np.tanh(")
    right = LAYER
