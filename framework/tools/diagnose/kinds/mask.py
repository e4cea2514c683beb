"""Losses that count targets which are masked."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.loss_gradient import LossGradient


class Mask(Kind):
    """A gradient where the target is masked or ignored."""

    name = "mask"
    about = LossGradient
    title = "loss ignores the mask", "der Verlust beachtet die Maske nicht"
    look = (
        "ignore_index, or multiply the losses by the mask before the mean",
        "ignore_index, oder die Verluste vor dem Mittelwert mit der Maske multiplizieren",
    )
    says = {
        "counted": (
            "{count} of {size} targets are masked, and yet the loss has a gradient there",
            "{count} von {size} Zielen sind maskiert, und doch hat der Verlust dort einen "
            "Gradienten",
        )
    }

    def judge(self, evidence: LossGradient) -> Findings:
        """Look for dy at positions that a mask of zeros, or a negative label, hides."""
        dy, (y, mask) = evidence.dy, evidence.targets
        if not evidence.fits:
            return

        def fits(array):
            return hasattr(array, "dtype") and array.shape == dy.shape[: array.ndim]

        if fits(mask) and np.isin(mask, (0, 1)).all():
            hidden = mask == 0
        elif fits(y) and y.dtype.kind in "iu":
            ignore = getattr(getattr(evidence.step.model, "loss", None), "ignore_index", -100)
            hidden = (y == ignore) | (y < 0)
        else:
            return
        if hidden.any() and np.abs(dy[hidden]).max() > 0:
            place = {"where": "loss", "type": "", "gradient": ""}
            count = int(hidden.sum())
            yield self.finding(evidence, "counted", count=count, size=hidden.size, **place)

    wrong = script(
        """
x = rng.standard_normal((400, 4)).astype("float32")
y = (x[:, 0] > 0).astype(int)
y[::5] = -1  # unknown
""",
        loss="Loss()",
        net="""
class Loss(fl.Module):
    def forward(self, z, y):
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        self.save(p, y)
        return -np.log(p[np.arange(len(y)), y]).mean()

    def backward(self, dloss=1):
        p, y = self.saved()
        d = p - np.eye(2, dtype="float32")[y]
        return dloss * d / len(y)


net = nn.Linear(4, 2)
""",
    )
    right = wrong.replace("Loss()\nnet.conf", "nn.CrossEntropyLoss(ignore_index=-1)\nnet.conf")
