"""Parameters that get a gradient, and do not move."""

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.short_training import ShortTraining
from firstlight.tools.diagnose.probes.places import line_of


class NotTrained(Kind):
    """Parameters that are in no optimizer, or have a learning rate of 0."""

    name = "not-trained"
    about = ShortTraining
    title = "parameter not trained", "Parameter wird nicht trainiert"
    look = (
        "configure_optimizer: self.parameters() gives all; the lr of each group",
        "configure_optimizer: self.parameters() gibt alle; die lr jeder Gruppe",
    )
    says = {
        "missing": (
            "{names} got a gradient and did not move: not in the optimizer",
            "{names} bekam einen Gradienten und bewegte sich nicht: nicht im Optimierer",
        ),
        "still": (
            "{names} got a gradient and did not move: in the optimizer, with a learning rate of 0",
            "{names} bekam einen Gradienten und bewegte sich nicht: im Optimierer, mit Lernrate 0",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: ShortTraining) -> Findings:
        """Name the parameters that did not move."""
        trial = evidence.trial
        if evidence.too_slow or not trial.untrained:
            return
        names, key = trial.untrained, "still" if trial.still == trial.untrained else "missing"
        listed = ", ".join(names[:6]) + ", ..." * (len(names) > 6)
        line = line_of(type(evidence.model).configure_optimizer, "return")
        yield self.finding(evidence, key, where=names[0], names=listed, at=line)

    right = script()
    wrong = right.replace("net.parameters()", "net[0].parameters()")
