"""Targets of a regression on another scale than the outputs."""

import numpy as np

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep

LARGE, WIDE, SMALL = 50, 15, 0.003  # root mean square and spreads


class TargetScale(Kind):
    """Targets that are large, or hardly differ."""

    name = "target-scale"
    about = FirstStep
    title = "scale of the targets", "Größenordnung der Zielwerte"
    look = (
        "(y - mean) / std of the training data as the target, and back again for predictions",
        "(y - Mittelwert) / Streuung der Trainingsdaten als Ziel, und für Vorhersagen zurück",
    )
    says = {
        "large": (
            "the targets are large, {mean:.3g} on average with a spread of {spread:.3g}, the loss "
            "therefore {loss:.3g}: the outputs of a fresh network are near 1",
            "die Zielwerte sind groß, im Mittel {mean:.3g} mit Streuung {spread:.3g}, der Verlust "
            "daher {loss:.3g}: die Ausgaben eines neuen Netzes liegen bei 1",
        ),
        "alike": (
            "the targets hardly differ, their spread is {spread:.3g}",
            "die Zielwerte unterscheiden sich kaum, ihre Streuung ist {spread:.3g}",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare size and spread with 1; with a small loss, the step rescales the targets."""
        y, loss = evidence.y, evidence.loss
        if not is_float(y) or y.size < 4:
            return
        size, spread = float(np.sqrt(np.square(y.astype("float64")).mean())), float(y.std())
        if (size > LARGE or spread > WIDE) and loss > LARGE:
            yield self.finding(evidence, "large", mean=y.mean(), spread=spread, loss=loss)
        elif 0 < spread < SMALL:
            yield self.finding(evidence, "alike", spread=spread, note=True)

    right = regression()
    wrong = right.replace("\n\nnet =", "\ny = 1000 * y + 3000\n\nnet =")
