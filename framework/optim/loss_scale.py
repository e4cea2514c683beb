"""LossScale: keeps half-precision gradients within their range.

The range of half precision is 6e-8 to 65,504, and gradients are often smaller. So the gradient of
the loss is multiplied by a large number before backward, and the parameters' gradients are divided
by it before the optimizer steps. If a gradient overflows, the step is skipped and the scale is
halved; after many good steps it is doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.batches import mapped
from firstlight.support.forms import accelerated

if TYPE_CHECKING:
    from firstlight.optim.optimizer import Optimizer

FIRST = 2.0**16
LEAST = 1e-4  # below it, even gradients that were scaled down are infinite
BAD, GOOD, SKIPPED = range(3)  # places in `counts`


class LossScale:
    """Scale of a training's gradients, kept and updated on its device without the host.

    Steps, with s = 2¹⁶ at first (as `torch.amp.GradScaler`)::

        dy ← s dy                            before backward
        g ← g / s                            after it
        w, m, v unchanged, s ← s / 2         if any g is not finite: the step is skipped
        s ← 2 s                              after 2000 other steps in a row

    Skipped steps do not count in Adam's bias correction.

    Parameters
    ----------
    optimizer : Optimizer
        Its gradients are scaled; its ``loss_scale`` becomes this object.

    Attributes
    ----------
    scale : array, shape ()
    counts : array of int32, shape (3,)
        1 if this step's gradient is bad (not finite), good steps since the scale last changed, and
        steps skipped since the host last asked.
    growth_interval : int
        Good steps in a row after which the scale is doubled.

    Raises
    ------
    ValueError
        The weights are float16 themselves.

    References
    ----------
    Micikevicius et al., "Mixed Precision Training", 2018, section 3.2.
    """

    growth_interval: int = 2000

    def __init__(self, optimizer: Optimizer):
        gradient = optimizer.flat.grad
        if gradient.dtype == "float16":
            raise ValueError(
                'precision "16" stores activations as float16 and keeps weights in float32, '
                'but the module is float16; make it float32: module.to(dtype="float32")'
            )
        one = np.full_like(gradient, FIRST, shape=(1,))  # CuPy takes a shape of () for None
        self.scale: Array = one.reshape(())
        self.counts: Array = np.zeros_like(gradient, shape=(3,), dtype="int32")
        optimizer.loss_scale = self

    @accelerated
    def unscale(self, g: Array) -> None:
        """Divide the gradient by the scale, in place, and note whether it is finite."""
        g *= 1 / self.scale
        self.counts[BAD] = ~np.isfinite(g).all()

    @accelerated
    def update(self) -> None:
        """Halve the scale after a bad step, double it after many good ones in a row."""
        s, bad = self.scale, self.counts[BAD] != 0
        good = np.where(bad, 0, self.counts[GOOD] + 1)
        full = good == self.growth_interval
        s[...] = np.where(bad, s / 2, np.where(full & np.isfinite(2 * s), 2 * s, s))
        self.counts[GOOD] = np.where(full, 0, good)
        self.counts[SKIPPED] += bad
        self.counts[BAD] = 0

    def is_bad(self) -> bool:
        """Return True if this step must be skipped; synchronizes with the host."""
        return bool(self.counts[BAD])

    def take_skipped(self) -> int:
        """Return the number of steps skipped since the last call; synchronizes with the host."""
        skipped = int(self.counts[SKIPPED])
        if skipped:
            self.counts[SKIPPED] = 0
        return skipped

    def value(self) -> float:
        """Return the scale as a float; synchronizes with the host.

        Raises
        ------
        FloatingPointError
            It has become so small that no scale can help.
        """
        value = float(self.scale)
        if value < LEAST:
            raise FloatingPointError(
                f"the loss scale has fallen to {value:g}: the gradients of every step are "
                "infinite or NaN; lower the learning rate, or use precision='bf16', which has "
                "float32's range"
            )
        return value

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the good steps since it changed."""
        return {"scale": float(self.scale), "good_steps": int(self.counts[GOOD])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.scale[...] = state["scale"]
        self.counts[...] = 0
        self.counts[GOOD] = state["good_steps"]


def scaled(optimizer: Optimizer, dy: Any) -> Any:
    """Return dy times the optimizer's loss scale; dy itself if there is none."""
    if optimizer.loss_scale is None:
        return dy
    return mapped(lambda g: g * optimizer.loss_scale.scale, dy)
