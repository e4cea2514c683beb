"""Adam and AdamW."""

from typing import Any

import numpy as np

from firstlight.optim._checks import check_betas
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

    With amsgrad, v̂ = s / (1 - β₂ᵗ) with s ← max(s, v), the largest v so far: the steps of a weight
    do not grow again when its gradients fade.

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
    amsgrad : bool
        Divide by the largest v so far; for all groups alike.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1; amsgrad: Reddi,
    Kale and Kumar, "On the Convergence of Adam and Beyond", 2018, algorithm 2.
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
        amsgrad: bool = False,
    ):
        if amsgrad:
            self.state_names = (*self.state_names, "max_exp_avg_sq")
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @accelerated
    def update(
        self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array, s: Array | Any = None
    ) -> None:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        g = g + group["weight_decay"] * w  # (n,)
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        if s is not None:  # amsgrad
            v = s[...] = np.maximum(s, v)
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        w -= lr * m_hat / (np.sqrt(v_hat) + eps)

    def _check(self, group):
        super()._check(group)
        check_betas(type(self).__name__, group["betas"])


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
    amsgrad : bool
        Divide by the largest v so far, as in `Adam`; for all groups alike.

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
        amsgrad: bool = False,
    ):
        if amsgrad:
            self.state_names = (*self.state_names, "max_exp_avg_sq")
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @accelerated
    def update(
        self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array, s: Array | Any = None
    ) -> None:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        w -= lr * group["weight_decay"] * w  # (n,)
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        if s is not None:  # amsgrad
            v = s[...] = np.maximum(s, v)
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        w -= lr * m_hat / (np.sqrt(v_hat) + eps)

    def _check(self, group):
        super()._check(group)
        check_betas(type(self).__name__, group["betas"])
