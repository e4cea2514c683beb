"""The loss of a training step as a function of the model's output."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.step_output import StepOutput
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    as_float64,
    batch_parts,
    is_float,
    map_arrays,
)
from firstlight.tools.diagnose.probes.module_state import ModuleState, float64_copy
from firstlight.tools.diagnose.probes.places import own_line

Change = Callable[[Array], Array]
CLOSE = 1e-6  # relative


class LossView:
    """A float64 copy of a model whose output can be changed before the loss gets it.

    Parameters
    ----------
    model : Module
    batch
        A batch that ``training_step`` takes.

    Attributes
    ----------
    output : array
        The output of forward in the latest step, before the change.
    """

    def __init__(self, model: Module, batch: Batch):
        self.twin: Module = float64_copy(model)
        self.batch: Batch = map_arrays(batch, as_float64)
        self.output: Any = None
        self._change: Change | None = None
        self._state, forward = ModuleState(self.twin, attributes=True), self.twin.forward

        def changed(*inputs, **options):
            self.output = forward(*inputs, **options)
            return self.output if self._change is None else self._change(self.output)

        self.twin.forward = changed

    def step(self, change: Change | None = None) -> StepOutput:
        """Run the training step with ``change(output)`` in place of the output."""
        self._change = change
        self._state.restore()
        self.twin.train()
        return self.twin.training_step(map_arrays(self.batch, copy.copy))

    def loss(self, change: Change | None = None) -> float:
        """Return the loss of a step, NaN if the step refuses the change."""
        try:
            return float(self.step(change).loss)
        except (ValueError, TypeError, IndexError, FloatingPointError):
            return math.nan

    def failing_line(self, change: Change) -> Place | None:
        """Return the user's line whose arithmetic first overflows, or makes NaN or infinity."""
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                self.step(change)
        except FloatingPointError as error:
            return own_line(error)
        except Exception:
            return None
        return None

    def loss_of_zeros(self) -> float:
        """Return the loss of an output that is 0 everywhere, NaN if the step refuses it."""
        return self.loss(np.zeros_like)

    def expected_output(self) -> str | None:
        """Return the kind of output that a loss of class labels expects.

        A softmax inside the loss: adding one number to all outputs of a sample changes nothing.
        Log-probabilities: it lowers the loss by this number. A sigmoid inside: the loss grows like
        a straight line on both sides, with slopes that add up to one.

        Returns
        -------
        str or None
            "logits", "log-probabilities", or None: something else, or unclear.
        """
        loss, z = self.loss(), self.output
        _, y, _ = batch_parts(self.batch)
        if not isinstance(z, np.ndarray) or not hasattr(y, "dtype") or not math.isfinite(loss):
            return None
        if y.dtype.kind in "iub" and z.ndim == y.ndim + 1 and z.shape[-1] > 1:
            return self._of_classes(loss, z.shape[-1])
        if is_float(y) and z.shape == y.shape and np.isin(y, (0, 1)).all():
            ends = (-60.0, -40.0, 0.0, 40.0, 60.0)
            at = [self.loss(lambda z, c=c: np.full_like(z, c)) for c in ends]
            slopes = (at[0] - at[1]) / 20, (at[4] - at[3]) / 20
            unit = sum(slopes)
            if unit > 0 and min(slopes) >= -CLOSE and _close(at[2], unit * math.log(2)):
                return "logits"
        return None

    def _of_classes(self, loss, classes):
        rng = np.random.default_rng(11)
        shifted = self.loss(lambda z: z + 1.5)
        if _close(shifted, loss) and _close(
            self.loss(lambda z: z + rng.standard_normal((*z.shape[:-1], 1))), loss
        ):
            ratio = self.loss_of_zeros() / math.log(classes)  # 1, or the samples of a sum
            return "logits" if ratio > 0 and _close(ratio, round(ratio)) else None
        return "log-probabilities" if _close(shifted, loss - 1.5) else None


def _close(a, b):
    return abs(a - b) <= CLOSE * (1 + abs(a) + abs(b))  # also false for NaN
