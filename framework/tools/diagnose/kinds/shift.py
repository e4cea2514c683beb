"""Inputs of the validation on another scale than those of the training."""

from firstlight.tools.diagnose.examples import CLASSES, script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.samples import Samples

RATIO = 4  # of the spreads of validation and training inputs
ENOUGH = 32  # validation samples


class Shift(Kind):
    """Validation inputs whose mean or spread is far from the training's."""

    name = "shift"
    about = Samples
    title = "train and validation differ", "Training und Validierung unterscheiden sich"
    look = (
        "the same transform, with the training data's mean and std, for both",
        "dieselbe Transformation, mit Mittelwert und Streuung der Trainingsdaten, für beide",
    )
    says = {
        "scales": (
            "the training inputs have mean {mean:.3g} and spread {spread:.3g}, those of the "
            "validation {val_mean:.3g} and {val_spread:.3g}",
            "die Trainingseingaben haben Mittelwert {mean:.3g} und Streuung {spread:.3g}, die der "
            "Validierung {val_mean:.3g} und {val_spread:.3g}",
        )
    }

    def judge(self, evidence: Samples) -> Findings:
        """Compare means and spreads."""
        x, val = evidence.x, evidence.val
        if not (is_float(x) and is_float(val)) or len(val) < ENOUGH or not float(x.std()) > 0:
            return
        spread, ratio = float(x.std()), float(val.std() / x.std())
        if 1 / RATIO < ratio < RATIO and abs(float(val.mean() - x.mean())) / spread < 1:
            return
        values = {"mean": x.mean(), "val_mean": val.mean(), "val_spread": val.std()}
        yield self.finding(evidence, "scales", spread=spread, **values)

    wrong = script(CLASSES, fit="(x[:300], y[:300]), (10 * x[300:], y[300:])")
    right = script(CLASSES, fit="(x[:300], y[:300]), (x[300:], y[300:])")
