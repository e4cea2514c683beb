"""Steps that are right as a whole, though a module's backward is not its forward's derivative."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.fused import FusedStep


class Fused(Kind):
    """A note that modules and loss share a derivative, as softmax and cross-entropy in p - y."""

    name = "fused"
    about = FusedStep
    title = "judged together with the loss", "zusammen mit dem Verlust beurteilt"
    says = {
        "right": (
            "the output's gradient and the module's backward fit the loss only together; the "
            "gradients of the parameters are right",
            "der Gradient der Ausgabe und das backward des Moduls passen nur zusammen zum "
            "Verlust; die Gradienten der Parameter sind richtig",
        )
    }
    excuses = frozenset({"chain-rule", "term", "loss-gradient", "factor", "batch-factor"})

    def judge(self, evidence: FusedStep) -> Findings:
        """State it."""
        yield self.finding(evidence, "right", note=True)
