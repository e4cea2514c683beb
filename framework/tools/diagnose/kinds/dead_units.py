"""Units that are zero for every sample."""

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import flattened
from firstlight.tools.diagnose.probes.model.units import UnitActivity, dead_mask


class DeadUnits(Kind):
    """Layers most of whose units are zero for every sample of a batch.

    In a deep fresh network all samples become alike, and each unit is dead with probability one
    half. A layer of n units is therefore reported from n/2 + 3 sqrt(n)/2 dead units on, three
    standard deviations more, and only if at most half as many were dead in its input.
    """

    name = "dead-units"
    about = UnitActivity
    title = "dead units", "tote Einheiten"
    look = (
        "biases and initial weights before it, the learning rate, a LeakyReLU",
        "Bias und Anfangsgewichte davor, die Lernrate, eine LeakyReLU",
    )
    says = {
        "dead": (
            "{count} of {size} units of {what} are zero for each of the {samples} samples: no "
            "gradient passes there",
            "{count} von {size} Einheiten von {what} sind für jedes der {samples} Beispiele null: "
            "dort geht kein Gradient hindurch",
        )
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: UnitActivity) -> Findings:
        """Count dead units, and compare with those of the layer's input."""
        for call, mask, what in evidence.dead:
            before = dead_mask(flattened(call.inputs)[0])
            by_chance = 0.5 + 1.5 / len(mask) ** 0.5
            fresh = before is None or before.mean() <= mask.mean() / 2
            if mask.mean() >= min(by_chance, 1.0) and fresh:
                values = {"count": int(mask.sum()), "size": len(mask), "what": what}
                place = {"where": call.name, "type": call.type, "samples": len(call.inputs[0])}
                yield self.finding(evidence, "dead", **values, **place)
                return

    right = script()
    wrong = right.replace("\nnet.loss", "\nnet[0].bias.data -= 20\nnet.loss")
