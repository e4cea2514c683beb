"""Muon: momentum whose singular values are all set to about one, for matrices."""

import math

import numpy as np

from firstlight.optim.optimizer import Group, Optimizer, Params
from firstlight.support.array import Array

LENGTHS = {  # factors of lr for a matrix of A rows and B columns
    "original": lambda A, B: math.sqrt(max(1, A / B)),
    "match_rms_adamw": lambda A, B: 0.2 * math.sqrt(max(A, B)),
}


class Muon(Optimizer):
    """Step along the orthogonal matrix that is nearest to the running mean of the gradient.

    Update of a matrix w of shape (A, B), with μ = momentum::

        b ← μ b + (1 - μ) g
        u = μ b + (1 - μ) g                 without nesterov u is b
        w ← w - lr · weight_decay · w
        w ← w - lr · √max(1, A / B) · O(u)

    O(u) replaces the singular values of u = U S Vᵀ by numbers near 1, about U Vᵀ. A polynomial,
    applied ns_steps times, does it with products alone, and no decomposition::

        x = u / ‖u‖,  then  x ← (α + β x xᵀ + γ (x xᵀ)²) x

    Since x xᵀ = U S² Uᵀ, each singular value s becomes α s + β s³ + γ s⁵: five times, and those
    from 0.01 to 1 are between 0.68 and 1.14. Directions with a small gradient are learned as fast
    as the others.

    Muon is for the weights of hidden layers. Biases, norms, embeddings and the output layer have
    another optimizer, such as `AdamW`.

    Parameters
    ----------
    params : list of Parameter, or list of dict
        Parameters with two axes, or groups of them (see `Optimizer`).
    lr : float
        Learning rate.
    weight_decay : float
        Fraction of the weights, times lr, that each step subtracts.
    momentum : float
        μ, in [0, 1).
    nesterov : bool
        Look ahead along the running mean.
    ns_coefficients : (float, float, float)
        α, β and γ.
    eps : float
        Smallest norm to divide by.
    ns_steps : int
        How often the polynomial is applied.
    adjust_lr_fn : {"original", "match_rms_adamw"}, optional
        Factor of lr for a matrix: √max(1, A / B), or 0.2 √max(A, B), with which the steps are as
        large as AdamW's, so that its lr and weight_decay can be kept.

    Raises
    ------
    ValueError
        A parameter that is no matrix.

    Notes
    -----
    O(u) is computed in the dtype of the weights; PyTorch computes it in bfloat16.

    References
    ----------
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; factors of lr:
    Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2.
    """

    state_names: tuple[str, ...] = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def step(self) -> None:
        """Update every matrix that is not frozen."""
        spans = self.begin_step()
        shapes = [p.shape for p, _ in self.flat.windows if p.requires_grad]
        for (group, t, *arrays), shape in zip(spans, shapes, strict=False):  # none if skipped
            self.update(group, t, *(array.reshape(shape) for array in arrays))
        self.end_step()

    def update(self, group: Group, t: int, w: Array, g: Array, b: Array) -> None:
        lr, momentum = group["lr"], group["momentum"]
        b[...] = momentum * b + (1 - momentum) * g  # (A, B)
        u = momentum * b + (1 - momentum) * g if group["nesterov"] else b
        x = orthogonalized(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
        w -= lr * group["weight_decay"] * w
        w -= lr * LENGTHS[group["adjust_lr_fn"] or "original"](*w.shape) * x

    def _find_spans(self, trained):
        """Return a span for each trained matrix: the rule is not elementwise."""
        owners = [group for group in self.param_groups for _ in group["params"]]
        return [
            [owner, window.start, window.stop, missed]
            for owner, (_, window), missed, is_trained in zip(
                owners, self.flat.windows, self._missed, trained, strict=True
            )
            if is_trained
        ]

    def _check(self, group):
        super()._check(group)
        for p in group.get("params", ()):  # none in a saved state
            if len(p.shape) != 2:
                raise ValueError(
                    f"Muon: expected parameters with two axes, got one of shape {p.shape}; give "
                    "biases, norms and kernels of convolutions another optimizer, e.g. AdamW"
                )
        if group["momentum"] >= 1:
            raise ValueError(f"Muon: expected momentum in [0, 1), got {group['momentum']}")
        if not group["ns_steps"] >= 0:
            raise ValueError(f"Muon: expected ns_steps of 0 or more, got {group['ns_steps']}")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(
                f"Muon: expected three ns_coefficients, got {group['ns_coefficients']}"
            )
        if group["adjust_lr_fn"] not in (None, *LENGTHS):
            raise ValueError(
                f'Muon: expected adjust_lr_fn "original" or "match_rms_adamw", got '
                f"{group['adjust_lr_fn']!r}"
            )


def orthogonalized(
    u: Array, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Array:
    """Return O(u) of a matrix u, shape (A, B).

    Examples
    --------
    >>> x = orthogonalized(np.array([[3.0, 0.0], [0.0, -0.5]]), (3.4445, -4.775, 2.0315), 5, 1e-7)
    >>> x.round(2)
    array([[ 0.71,  0.  ],
           [ 0.  , -1.04]])
    """
    alpha, beta, gamma = coefficients
    x = u.T if u.shape[0] > u.shape[1] else u  # (a, b), a the smaller: a × a products are cheap
    x = x / np.maximum(np.sqrt((x**2).sum()), eps)
    for _ in range(steps):
        s = x @ x.T  # (a, a)
        x = alpha * x + (beta * s + gamma * (s @ s)) @ x  # (a, b)
    return x.T if u.shape[0] > u.shape[1] else x  # (A, B)
