"""Inputs and targets that are swapped: the targets are the inputs plus noise."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep

ALIKE = 0.3  # correlation of neighbouring values of the inputs, which noise has not
NOISE = 0.05  # smallest variance of the noise, relative to the inputs'
DEVIATIONS = 4


class Swapped(Kind):
    """Images whose target is the image plus independent noise, which no network can predict."""

    name = "swapped"
    about = FirstStep
    title = "input and target swapped", "Eingabe und Ziel vertauscht"
    look = (
        "which of the two arrays the model gets and which the loss: loss(net(noisy), clean)",
        "welches der Arrays das Modell bekommt und welches der Verlust: loss(net(noisy), clean)",
    )
    says = {
        "noise": (
            "the targets are the inputs plus noise of spread {spread:.3g} that has nothing to do "
            "with them (correlation {correlation:.2g}): no network can predict it; with input and "
            "target swapped, it would learn to remove the noise",
            "die Ziele sind die Eingaben plus ein Rauschen der Streuung {spread:.3g}, das nichts "
            "mit ihnen zu tun hat (Korrelation {correlation:.2g}): kein Netz kann es vorhersagen; "
            "sind Eingabe und Ziel vertauscht, lernt es, das Rauschen zu entfernen",
        )
    }

    def judge(self, evidence: FirstStep) -> Findings:
        """Correlate the difference of targets and inputs with the inputs, and with itself."""
        x, y = evidence.x, evidence.y
        if not is_float(x) or not is_float(y) or x.shape != y.shape or x.ndim < 3:
            return
        if x.shape[1] < 4 or not x.std() > 0:
            return
        noise = (y - x).astype("float64")
        if not noise.var() > NOISE * x.var():
            return
        chance = DEVIATIONS / x.size**0.5
        with_x = correlation(noise, x)
        if abs(with_x) < chance and abs(neighbours(noise)) < chance and neighbours(x) > ALIKE:
            values = {"spread": noise.std(), "correlation": with_x}
            yield self.finding(evidence, "noise", **values)

    wrong = script(
        """
t = np.linspace(0, 6, 16)
clean = np.sin(t + rng.uniform(0, 6, (200, 1)))[:, :, None].astype("float32")
noisy = clean + rng.normal(0, 0.4, clean.shape).astype("float32")
""",
        "net = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))",
        "nn.MSELoss()",
        fit="(clean, noisy)",
    )
    right = wrong.replace("(clean, noisy)", "(noisy, clean)")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two arrays."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def neighbours(a: np.ndarray) -> float:
    """Return the correlation of neighbouring positions along the second axis."""
    return correlation(a[:, 1:], a[:, :-1])
