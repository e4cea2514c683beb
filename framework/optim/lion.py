"""Lion: steps of one size along the sign of a running mean."""

import numpy as np

from firstlight.optim._checks import check_betas
from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Lion(Optimizer):
    """Step by the sign of the gradient's running mean, with decoupled weight decay.

    Update, with m = 0 before the first step::

        c = β₁ m + (1 - β₁) g
        w ← w - lr · weight_decay · w
        w ← w - lr · sign(c)
        m ← β₂ m + (1 - β₂) g

    Every weight moves by lr, so that lr should be 3 to 10 times smaller than for `AdamW`, and
    weight_decay as much larger. There is one state array, where Adam has two.

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters, or groups (see `Optimizer`).
    lr : float
        Learning rate: the size of each weight's step.
    betas : (float, float)
        β₁ of the step and β₂ of the running mean, in [0, 1).
    weight_decay : float
        Fraction of the weights, times lr, that each step subtracts.

    References
    ----------
    Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2.
    """

    state_names: tuple[str, ...] = ("exp_avg",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-4,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @accelerated
    def update(self, group: Group, t: int, w: Array, g: Array, m: Array) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        c = beta1 * m + (1 - beta1) * g  # (n,)
        w -= lr * group["weight_decay"] * w
        w -= lr * np.sign(c)
        m[...] = beta2 * m + (1 - beta2) * g

    def _check(self, group):
        super()._check(group)
        check_betas("Lion", group["betas"])
