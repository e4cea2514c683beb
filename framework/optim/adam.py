"""Adam and AdamW."""

import numpy as np

from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Adam(Optimizer):
    """Step along the running mean of the gradient over the root of its mean square.

    Update, for step t = 1, 2, ... (derivation: docs/derivations/adam.md)::

        g ← g + weight_decay · w
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)
        w ← w - lr · m̂ / (√v̂ + eps)

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

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        g = g + group["weight_decay"] * w  # (n,)
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        w -= lr * m_hat / (np.sqrt(v_hat) + eps)

    def _check(self, group):
        super()._check(group)
        _check_betas(type(self).__name__, group["betas"])


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Update, with m̂ and v̂ as in `Adam`, of the gradient alone::

        w ← w - lr · weight_decay · w
        w ← w - lr · m̂ / (√v̂ + eps)

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

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        w -= lr * group["weight_decay"] * w  # (n,)
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        w -= lr * m_hat / (np.sqrt(v_hat) + eps)

    def _check(self, group):
        super()._check(group)
        _check_betas(type(self).__name__, group["betas"])


def _check_betas(who, betas):
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{who}: expected two betas in [0, 1), got {betas}")
