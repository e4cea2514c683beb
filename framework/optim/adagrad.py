"""Adagrad: a learning rate for each weight that falls with its past gradients."""

import numpy as np

from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all squared gradients so far.

    Update, for step t = 1, 2, ...::

        g ← g + weight_decay · w
        s ← s + g²
        w ← w - lr / (1 + (t - 1) lr_decay) · g / (√s + eps)

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate.
    lr_decay : float
        Decay of the learning rate with the number of steps.
    weight_decay : float
        L2 penalty, added to the gradient.
    initial_accumulator_value : float
        Initial value of s.
    eps : float
        Prevents division by zero.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", 2011, eq. 1 with diagonal G.
    """

    state_names: tuple[str, ...] = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        if not initial_accumulator_value >= 0:
            raise ValueError(
                "Adagrad: expected initial_accumulator_value of 0 or more, "
                f"got {initial_accumulator_value}"
            )
        super().__init__(
            params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        )
        self.state["sum"][...] = initial_accumulator_value

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, s: Array) -> None:
        lr = group["lr"] / (1 + (t - 1) * group["lr_decay"])
        g = g + group["weight_decay"] * w  # (n,)
        s += g**2
        w -= lr * g / (np.sqrt(s) + group["eps"])
