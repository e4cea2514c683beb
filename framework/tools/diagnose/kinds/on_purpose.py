"""A backward that differs from its forward on purpose, such as a straight-through estimator."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.purpose import StatedPurpose


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
