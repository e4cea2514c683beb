"""Adam and AdamW."""

from collections.abc import Callable
from functools import partial

import numpy as np

from firstlight.fast.compiled import fastest
from firstlight.fast.cuda import optimizers
from firstlight.optim.optimizer import Group, Optimizer, Params, with_decay
from firstlight.support.array import Array


class Adam(Optimizer):
    """Step along the running mean of the gradient over the root of its mean square.

    Update, for step t = 1, 2, ...::

        g ← g + weight_decay · w
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        w ← w - lr · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + eps)

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate.
    betas : (float, float)
        β₁ and β₂, in [0, 1).
    eps : float
        Prevents division by zero.
    weight_decay : float
        L2 penalty, added to the gradient.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
    """

    state_names: tuple[str, ...] = ("exp_avg", "exp_avg_sq")
    scratch_rows: int = 2
    fused: Callable[..., None] | None = staticmethod(partial(optimizers.adam, decoupled=False))

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def update(
        self,
        group: Group,
        t: int,
        w: Array,
        g: Array,
        m: Array,
        v: Array,
        step: Array,
        decayed: Array,
    ) -> None:
        g = with_decay(group, w, g, out=decayed)
        fastest(descend, w)(group, t, w, g, m, v, step)

    def _check(self, group):
        super()._check(group)
        _check_betas(type(self).__name__, group["betas"])


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Update, with m and v as in `Adam`::

        w ← w - lr · weight_decay · w
        w ← w - lr · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + eps)

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate.
    betas : (float, float)
        β₁ and β₂, in [0, 1).
    eps : float
        Prevents division by zero.
    weight_decay : float
        Fraction of the weights, times lr, that each step subtracts.

    References
    ----------
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
    """

    state_names: tuple[str, ...] = ("exp_avg", "exp_avg_sq")
    fused: Callable[..., None] | None = staticmethod(partial(optimizers.adam, decoupled=True))

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def update(
        self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array, step: Array
    ) -> None:
        if group["weight_decay"]:
            w *= 1 - group["lr"] * group["weight_decay"]
        fastest(descend, w)(group, t, w, g, m, v, step)

    def _check(self, group):
        super()._check(group)
        _check_betas(type(self).__name__, group["betas"])


def descend(group: Group, t: int, w: Array, g: Array, m: Array, v: Array, step: Array) -> None:
    """Update m and v with the gradient g, and w by Adam's step; ``step`` is scratch.

    With c₁ = 1 - β₁ᵗ and c₂ = 1 - β₂ᵗ, the step is written with one division::

        lr (m / c₁) / (√(v / c₂) + eps)  =  (lr / c₁) m / (√v / √c₂ + eps)
    """
    beta1, beta2 = group["betas"]
    np.multiply(g, 1 - beta1, out=step)
    m *= beta1
    m += step
    np.multiply(g, g, out=step)
    step *= 1 - beta2
    v *= beta2
    v += step
    np.sqrt(v, out=step)
    step *= (1 - beta2**t) ** -0.5
    step += group["eps"]
    np.divide(m, step, out=step)
    step *= group["lr"] / (1 - beta1**t)
    w -= step


def _check_betas(who, betas):
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{who}: expected two betas in [0, 1), got {betas}")
