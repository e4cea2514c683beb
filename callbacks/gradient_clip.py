"""GradientClip: limit the size of a step's gradient."""

import numpy as np

from firstlight.callback import Callback, Role
from firstlight.callbacks._shared.optimizer_choice import chosen
from firstlight.optim.optimizer import Optimizer
from firstlight.support.array import Array
from firstlight.trainer import Trainer


class GradientClip(Callback):
    """Scale the gradient down to a largest norm, or clamp its entries, before each step.

    Formula, for the gradient g of all trained parameters of an optimizer together::

        max_norm:    g ← g · min(1, max_norm / (‖g‖ + 1e-6))
        clip_value:  g ← min(max(g, -clip_value), clip_value)

    The first keeps the gradient's direction, the second does not.

    Parameters
    ----------
    max_norm : float, optional
        Largest L2 norm.
    clip_value : float, optional
        Largest absolute value of an entry; with ``max_norm`` too, entries are clamped first.
    optimizer : str, optional
        Name of the optimizer whose gradient is clipped, if ``configure_optimizer`` returned a dict;
        by default each optimizer's gradient is clipped by itself.

    Attributes
    ----------
    last_norm : 0-d array or None
        The latest step's norm before it was scaled; on the model's device, and None without
        ``max_norm``.

    Raises
    ------
    ValueError
        Neither is given, or one that is not above 0.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013,
    algorithm 1.
    """

    role = Role.EDITOR

    def __init__(
        self,
        max_norm: float | None = None,
        clip_value: float | None = None,
        *,
        optimizer: str | None = None,
    ) -> None:
        for name, limit in {"max_norm": max_norm, "clip_value": clip_value}.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"GradientClip: expected {name} above 0, got {limit}")
        if max_norm is None and clip_value is None:
            raise ValueError("GradientClip: set max_norm, e.g. 1.0, or clip_value, or both")
        self.max_norm = max_norm
        self.clip_value = clip_value
        self.optimizer: str | None = optimizer
        self.last_norm: Array | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Find the optimizers whose gradients are clipped."""
        self._chosen = chosen("GradientClip", trainer, self.optimizer)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient in place."""
        if self.optimizer is not None and optimizer not in self._chosen:
            return
        if self.clip_value is not None:
            optimizer.clip_grad(self.clip_value)
        if self.max_norm is not None:
            self.last_norm = optimizer.grad_norm()
            # No `if` on the norm: that would make the host wait for a GPU.
            optimizer.scale_grad(np.minimum(self.max_norm / (self.last_norm + 1e-6), 1.0))
