"""Losses that become infinite or NaN where a network is very sure."""

from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep

SURE = 40.0  # logit of a network that is sure


class Overflow(Kind):
    """A loss of classes that is not finite for logits of ±40."""

    name = "overflow"
    about = FirstStep
    title = "log(0) or overflow in the loss", "log(0) oder Überlauf im Verlust"
    look = (
        "log p from the logits, z - z.max() - log Σ exp, or np.logaddexp(0, z); or clip p",
        "log p aus den Logits, z - z.max() - log Σ exp, oder np.logaddexp(0, z); oder p begrenzen",
    )
    says = {
        "sure": (
            "the loss is {loss} when the outputs are ±{size:.0f}: once the network is sure of a "
            "wrong answer, a probability is rounded to 0 or 1 and its log is infinite",
            "der Verlust ist {loss}, wenn die Ausgaben ±{size:.0f} sind: sobald das Netz sich "
            "einer falschen Antwort sicher ist, wird eine Wahrscheinlichkeit auf 0 oder 1 "
            "gerundet, und ihr Logarithmus ist unendlich",
        )
    }

    def judge(self, evidence: FirstStep) -> Findings:
        """Put outputs of ±40 into the loss of few samples."""
        z, y = evidence.prediction, evidence.y
        if not is_float(z) or not hasattr(y, "dtype") or not np.isfinite(evidence.loss):
            return
        zero_or_one = np.shape(y) == z.shape and np.isin(y, (0, 1)).all()
        if not (evidence.has_class_scores or zero_or_one) or z.min() >= 0:
            return  # no logits
        if not np.isfinite(evidence.view.loss()):
            return  # a step that refuses float64, whatever the outputs are
        loss, rng = getattr(evidence.model, "loss", None), np.random.default_rng(5)
        for signs in (1.0, -1.0, rng.choice([-1.0, 1.0], np.shape(evidence.view.output))):

            def sure(z: Array, signs: Any = signs) -> Array:
                return SURE * signs + 0 * z

            value = evidence.view.loss(sure)
            if not np.isfinite(value):
                place = {"where": "loss", "type": "" if loss is None else type(loss).__name__}
                line = evidence.view.failing_line(sure)
                yield self.finding(evidence, "sure", loss=value, size=SURE, at=line, **place)
                return

    wrong = script(
        """
x = rng.standard_normal((400, 4)).astype("float32")
y = (x[:, :1] + x[:, 1:2] > 0).astype("float32")
""",
        """
class Loss(fl.Module):
    def forward(self, z, y):
        p = 1 / (1 + np.exp(-z))
        self.save(p, y)
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    def backward(self, dloss=1):
        p, y = self.saved()
        return dloss * (p - y) / y.size


net = nn.Linear(4, 1)
""",
        "Loss()",
    )
    right = wrong.replace("np.exp(-z))", "np.exp(-np.clip(z, -15, 15)))")
