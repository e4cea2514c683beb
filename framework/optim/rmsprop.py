"""RMSprop: the gradient over its root mean square."""

from typing import Any

import numpy as np

from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class RMSprop(Optimizer):
    """Divide the gradient by the root of its running mean square.

    Update, with α = alpha and μ = momentum::

        g ← g + weight_decay · w
        v ← α v + (1 - α) g²
        a ← α a + (1 - α) g                 centered only, else a = 0
        d = g / (√(v - a²) + eps)
        b ← μ b + d                         without momentum b is d
        w ← w - lr · b

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate.
    alpha : float
        α, in [0, 1]: decay rate of the running means.
    eps : float
        Prevents division by zero.
    weight_decay : float
        L2 penalty, added to the gradient.
    momentum : float
        μ; 0 allocates no running sum.
    centered : bool
        Divide by the standard deviation: the mean square less the squared mean.

    References
    ----------
    Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012; centered: Graves,
    "Generating Sequences With Recurrent Neural Networks", 2013, eq. 38-45.
    """

    state_names: tuple[str, ...] = ("square_avg", "grad_avg", "momentum_buffer")
    optional_state: dict[str, str] = {"grad_avg": "centered", "momentum_buffer": "momentum"}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(params, defaults)

    @accelerated
    def update(
        self, group: Group, t: int, w: Array, g: Array, v: Array, a: Array | Any, b: Array | Any
    ) -> None:
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        g = g + group["weight_decay"] * w  # (n,)
        v[...] = alpha * v + (1 - alpha) * g**2
        variance = v
        if group["centered"]:
            a[...] = alpha * a + (1 - alpha) * g
            variance = np.maximum(v - a**2, 0)  # rounding can take a variance near 0 below it
        d = g / (np.sqrt(variance) + group["eps"])
        if momentum:
            b[...] = momentum * b + d
            d = b
        w -= lr * d

    def _check(self, group):
        super()._check(group)
        if not 0 <= group["alpha"] <= 1:
            raise ValueError(f"RMSprop: expected alpha in [0, 1], got {group['alpha']}")
