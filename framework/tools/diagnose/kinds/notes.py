"""Notes about gradients that differ on purpose, or fit only together with the loss."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.purpose import StatedPurpose
from firstlight.tools.diagnose.probes.steps.fused import FusedStep


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


class OnPurpose(Kind):
    """A note about a backward whose class says that it is not the derivative of forward."""

    name = "on-purpose"
    about = StatedPurpose
    title = "differs on purpose", "weicht absichtlich ab"
    says = {
        "stated": (
            "{name}.backward is not the derivative of forward; it says so itself: {words}",
            "{name}.backward ist nicht die Ableitung von forward, und sagt es selbst: {words}",
        )
    }

    def judge(self, evidence: StatedPurpose) -> Findings:
        """Quote the words."""
        yield self.finding(evidence, "stated", name=evidence.type, words=evidence.words, note=True)
