"""Something that a check could not judge."""

from firstlight.tools.diagnose.kind import UNJUDGED, Findings, Kind
from firstlight.tools.diagnose.probes.raised import Failure, Untrained


class Unjudged(Kind):
    """An exception inside a check, or a script in which no training was found."""

    name = UNJUDGED
    about = Failure, Untrained
    title = "could not be judged", "nicht zu beurteilen"
    says = {
        "failed": (
            "could not judge {subject}: {said}",
            "{subject} war nicht zu beurteilen: {said}",
        ),
        "stopped": (
            "no training was found before the script stopped: {ended}",
            "bis das Skript endete, war kein Training zu finden: {ended}",
        ),
        "no-loss": (
            "the loop changes {name}, but computes no number that could be its loss; compute the "
            "loss in the loop, so that the gradient can be compared with it",
            "die Schleife ändert {name}, berechnet aber keine Zahl, die ihr Loss sein könnte; "
            "berechne den Loss in der Schleife, damit der Gradient mit ihm verglichen werden kann",
        ),
        "classes": (
            "no training was found: no loop of the script trains {names}; derived from "
            "firstlight.Module, with what it trains as Parameter, it can be judged alone",
            "kein Training gefunden: keine Schleife des Skripts trainiert {names}; abgeleitet von "
            "firstlight.Module, mit Parameter für das, was es lernt, ist es allein zu beurteilen",
        ),
        "nothing": (
            "no training was found: no Trainer.fit, no step of an optimizer, and no loop that "
            "computes a loss and changes arrays by its gradient",
            "kein Training gefunden: kein Trainer.fit, kein Schritt eines Optimizers und keine "
            "Schleife, die einen Loss berechnet und Arrays nach dessen Gradienten ändert",
        ),
    }

    def judge(self, evidence: Failure | Untrained) -> Findings:
        """Say what failed, or what was looked for."""
        if isinstance(evidence, Failure):
            yield self.finding(evidence, "failed", subject=evidence.subject, said=evidence.said)
        elif (change := evidence.repeated) is not None:
            yield self.finding(evidence, "no-loss", name=change.name, at=change.at)
        elif evidence.trace.ended:
            yield self.finding(evidence, "stopped", ended=evidence.trace.ended)
        elif names := evidence.plain_classes:
            yield self.finding(evidence, "classes", names=", ".join(names))
        else:
            yield self.finding(evidence, "nothing")
