"""SGD: gradient descent, optionally with momentum."""

from typing import Any

from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class SGD(Optimizer):
    """Step against the gradient, or against a running sum of gradients.

    Update, with μ = momentum and b = 0 before the first step::

        g ← g + weight_decay · w
        b ← μ b + (1 - dampening) g         b ← g at the first step
        w ← w - lr · b                      without momentum b is g
        w ← w - lr · (g + μ b)              with nesterov

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate.
    momentum : float
        μ; 0 allocates no running sum.
    dampening : float
        Fraction of each gradient that does not enter the running sum.
    weight_decay : float
        L2 penalty, added to the gradient.
    nesterov : bool
        Look ahead along the running sum; needs momentum, and no dampening.

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
    eq. 1-4, with the learning rate outside b as in PyTorch.
    """

    state_names: tuple[str, ...] = ("momentum_buffer",)
    optional_state: dict[str, str] = {"momentum_buffer": "momentum"}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults)

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, b: Array | Any) -> None:
        lr, momentum = group["lr"], group["momentum"]
        g = g + group["weight_decay"] * w  # (n,)
        if momentum:
            share = 1 if t == 1 else 1 - group["dampening"]
            b[...] = momentum * b + share * g
            g = g + momentum * b if group["nesterov"] else b
        w -= lr * g

    def _check(self, group):
        super()._check(group)
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                "SGD: nesterov needs a momentum above 0 and a dampening of 0, got "
                f"momentum={group['momentum']} and dampening={group['dampening']}"
            )
