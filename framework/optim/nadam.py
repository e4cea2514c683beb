"""NAdam: Adam with Nesterov's momentum."""

import math
from functools import lru_cache

import numpy as np

from firstlight.optim._checks import check_betas
from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated

SMALLEST = 1e-17  # subtracted from 1 in float64, it changes nothing


class NAdam(Optimizer):
    """Adam that looks ahead along its running mean.

    Update, for step t = 1, 2, ... with ψ = momentum_decay, and m and v as in `Adam`::

        g ← g + weight_decay · w
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        μₜ = β₁ (1 - 0.96^(tψ) / 2)
        m̂ = μₜ₊₁ m / (1 - μ₁ μ₂ ⋯ μₜ₊₁) + (1 - μₜ) g / (1 - μ₁ μ₂ ⋯ μₜ)
        v̂ = v / (1 - β₂ᵗ)
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
    momentum_decay : float
        ψ; the larger, the sooner μ rises from β₁ / 2 to β₁.
    decoupled_weight_decay : bool
        Subtract lr · weight_decay · w from the weights as `AdamW` does, and leave g as it is.

    Notes
    -----
    The product of all μ is a function of t, β₁ and ψ, and not a state. If β₁ or ψ changes during
    a training, it is that of the new value; PyTorch keeps the factors of earlier steps.

    References
    ----------
    Dozat, "Incorporating Nesterov Momentum into Adam", 2016, algorithm 2.
    """

    state_names: tuple[str, ...] = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
    ):
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, m: Array, v: Array) -> None:
        lr, (beta1, beta2), psi = group["lr"], group["betas"], group["momentum_decay"]
        if group["decoupled_weight_decay"]:
            w -= lr * group["weight_decay"] * w  # (n,)
        else:
            g = g + group["weight_decay"] * w
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g**2
        of_m = momentum(beta1, psi, t + 1) / (1 - product_of_momenta(beta1, psi, t + 1))
        of_g = (1 - momentum(beta1, psi, t)) / (1 - product_of_momenta(beta1, psi, t))
        v_hat = v / (1 - beta2**t)
        w -= lr * (of_m * m + of_g * g) / (np.sqrt(v_hat) + group["eps"])

    def _check(self, group):
        super()._check(group)
        check_betas("NAdam", group["betas"])
        if not group["momentum_decay"] >= 0:
            raise ValueError(
                f"NAdam: expected momentum_decay of 0 or more, got {group['momentum_decay']}"
            )


def momentum(beta1: float, psi: float, t: int) -> float:
    """Return μₜ."""
    return beta1 * (1 - 0.5 * 0.96 ** (t * psi))


@lru_cache(maxsize=64)  # all blocks of a step ask for the same two
def product_of_momenta(beta1: float, psi: float, t: int) -> float:
    """Return μ₁ μ₂ ⋯ μₜ; 0 where it is too small to matter.

    Examples
    --------
    >>> print(round(product_of_momenta(0.9, 0.0, 2), 4), product_of_momenta(0.9, 0.0, 10**9))
    0.2025 0.0
    """
    if not beta1 or t * math.log(beta1) < math.log(SMALLEST):  # μ ≤ β₁
        return 0.0
    return math.prod(momentum(beta1, psi, step) for step in range(1, t + 1))
