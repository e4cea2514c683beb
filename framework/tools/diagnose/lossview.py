"""The loss of a training step, seen as a function of the model's output."""

import copy
import math

import numpy as np

from firstlight.tools.diagnose.bench import as_float64, is_float, unburdened
from firstlight.tools.diagnose.moment import Moment
from firstlight.tools.diagnose.parts import mapped, parts_of

NEAR = 1e-6  # relative


class LossView:
    """A float64 copy of a model whose output can be changed before the loss sees it.

    Parameters
    ----------
    model : Module
    batch
        Of whatever kind ``training_step`` takes.

    Attributes
    ----------
    output : array
        What forward returned in the latest step.
    """

    def __init__(self, model, batch):
        self.twin = unburdened(model).to(dtype="float64").train()
        self.batch, self.output, self._change = mapped(batch, as_float64), None, None
        self.moment, forward = Moment(self.twin, attributes=True), self.twin.forward

        def changed(*inputs, **named):
            self.output = forward(*inputs, **named)
            return self.output if self._change is None else self._change(self.output)

        self.twin.forward = changed

    def step(self, change=None):
        """Return the `StepOutput` with ``change(output)`` in place of the output."""
        self._change = change
        self.moment.restore()
        self.twin.train()
        return self.twin.training_step(mapped(self.batch, copy.copy))

    def loss(self, change=None):
        """Return the loss alone, NaN where the step refuses the change."""
        try:
            return float(self.step(change).loss)
        except (ValueError, TypeError, IndexError, FloatingPointError):
            return math.nan


def of_guessing(view):
    """Return the loss of an output that is zero everywhere, NaN where there is none."""
    return view.loss(np.zeros_like)


def wants(view):
    """Tell what a loss of class labels takes the model's output for.

    A softmax inside the loss shows in that one number added to all outputs of a sample changes
    nothing; log-probabilities in that it lowers the loss by just this number; a sigmoid inside in
    that the loss grows like a straight line on both sides, with slopes that add up to one.

    Returns
    -------
    str or None
        "logits", "log-probabilities", or None: something else, or unclear.
    """
    loss, z = view.loss(), view.output
    _, y, _ = parts_of(view.batch)
    if not isinstance(z, np.ndarray) or not hasattr(y, "dtype") or not math.isfinite(loss):
        return None
    if y.dtype.kind in "iub" and z.ndim == y.ndim + 1 and z.shape[-1] > 1:
        return _of_classes(view, loss, z.shape[-1])
    if is_float(y) and z.shape == y.shape and np.isin(y, (0, 1)).all():
        at = [view.loss(lambda z, c=c: np.full_like(z, c)) for c in (-60.0, -40.0, 0.0, 40.0, 60.0)]
        slopes = (at[0] - at[1]) / 20, (at[4] - at[3]) / 20
        unit = sum(slopes)
        if unit > 0 and min(slopes) >= -NEAR and _near(at[2], unit * math.log(2)):
            return "logits"
    return None


def _of_classes(view, loss, classes):
    rng = np.random.default_rng(11)
    up = view.loss(lambda z: z + 1.5)
    if _near(up, loss) and _near(
        view.loss(lambda z: z + rng.standard_normal((*z.shape[:-1], 1))), loss
    ):
        ratio = of_guessing(view) / math.log(classes)  # 1, or the samples of a sum
        return "logits" if ratio > 0 and _near(ratio, round(ratio)) else None
    return "log-probabilities" if _near(up, loss - 1.5) else None


def _near(a, b):
    return abs(a - b) <= NEAR * (1 + abs(a) + abs(b))  # also false for NaN
