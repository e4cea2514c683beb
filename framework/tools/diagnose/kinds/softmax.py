"""A last layer that does not fit the loss."""

import math

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call

MANY = 64  # distinct values; of fewer, common properties may be a coincidence
BEYOND = 0.05  # share of the targets that no output can reach


class Softmax(Kind):
    """An activation before a loss of logits, or a range that does not reach the targets."""

    name = "softmax"
    about = FirstStep
    title = "activation before the loss", "Aktivierung vor dem Verlust"
    look = (
        "the end of forward: logits for a cross-entropy, a linear layer for a regression",
        "das Ende von forward: Logits für die Kreuzentropie, eine lineare Schicht zur Regression",
    )
    says = {
        "log": (
            "{loss} takes log-probabilities, but the exp of a sample's outputs adds up to "
            "{total:.3g}, not to 1",
            "{loss} nimmt logarithmierte Wahrscheinlichkeiten, aber exp der Ausgaben eines "
            "Beispiels ergibt in der Summe {total:.3g}, nicht 1",
        ),
        "twice": (
            "no output is negative, as after a {activation}, but {loss} takes logits",
            "keine Ausgabe ist negativ, wie nach {activation}, aber {loss} nimmt Logits",
        ),
        "range": (
            "{layer}, the last layer, gives numbers from {low:.3g} to {high:.3g}, but {share:.0%} "
            "of the targets lie outside",
            "{layer}, die letzte Schicht, gibt Zahlen von {low:.3g} bis {high:.3g}, aber "
            "{share:.0%} der Ziele liegen außerhalb",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare the outputs with what the loss expects, by its behaviour."""
        z = None if evidence.output is None else evidence.prediction
        if not is_float(z) or z.ndim < 2 or z.size < 12:
            return
        if np.ptp(z, axis=-1).max() < 1e-6 and z.shape[-1] > 1:
            return  # all outputs are alike
        loss, expected = getattr(evidence.model, "loss", None), evidence.view.expected_output()
        name = "the loss in training_step" if loss is None else type(loss).__name__
        model, last = {"where": "", "type": type(evidence.model).__name__}, evidence.last
        if expected == "log-probabilities":
            sums = np.exp(z.astype("float64")).sum(axis=-1)
            if np.abs(sums - 1).max() >= 1e-3:
                yield self.finding(evidence, "log", loss=name, total=np.median(sums), **model)
        elif expected == "logits":
            if used := activation(z, "" if last is None else last.type):
                yield self.finding(evidence, "twice", loss=name, activation=used, **model)
        elif not evidence.own_step and last is not None:
            y = evidence.y
            if not is_float(y) or y.shape != z.shape:
                return
            low, high = output_range(last)
            share = ((y < low - 1e-3) | (y > high + 1e-3)).mean()
            if share >= BEYOND:
                place = {"where": last.name, "type": last.type, "layer": last.type}
                yield self.finding(evidence, "range", low=low, high=high, share=share, **place)

    right = script()
    wrong = script(
        net="net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2), nn.Softmax())"
    )


def activation(prediction: Array, last: str) -> str | None:
    """Name the activation that a prediction has clearly gone through, None without evidence.

    ``last`` is the class of the last layer.
    """
    if prediction.min() < 0:
        return None
    if last in ("Softmax", "Sigmoid", "ReLU"):
        return last if last == "ReLU" else last.lower()
    if prediction.shape[-1] > 1 and np.abs(prediction.sum(axis=-1) - 1).max() < 1e-3:
        return "softmax"
    # A few logits may all be positive by chance, and so may samples that resemble each other.
    if prediction.shape[-1] < 4 or len(np.unique(prediction)) < MANY:
        return None
    if np.mean(prediction == 0) > 0.1:
        return "ReLU"
    return "sigmoid" if prediction.max() <= 1 else None


def output_range(last: Call) -> tuple[float, float]:
    """Return ``(lowest, highest)`` output of a layer without parameters; infinite for others."""
    x = last.inputs[0] if last.inputs else None
    unbounded = -math.inf, math.inf
    if last.has_parameters or not is_float(x) or np.shape(last.output) != x.shape:
        return unbounded
    try:
        ramp = np.linspace(-1e3, 1e3, x.size, dtype=x.dtype).reshape(x.shape)
        y = detached_copy(last.module).eval()(ramp)
    except Exception:
        return unbounded
    low, high = float(y.min()), float(y.max())
    return -math.inf if low < -100 else low, math.inf if high > 100 else high
