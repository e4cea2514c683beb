"""ContrastiveLoss and NTXentLoss: embeddings from pairs of similar samples."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn._loss_checks import (
    check_binary,
    check_dloss,
    check_embeddings,
    check_positive,
    check_reduction,
    pair_of,
)
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class ContrastiveLoss(Module):
    """Pull similar pairs together, and push others apart up to a margin.

    Formula, for pairs a, b of shape (N, d), with y = 1 for a similar pair, 0 for another, m the
    margin, and D = N for "mean", 1 for "sum" and "none"::

        u = a - b,  r = ‖u‖,  h = max(m - r, 0)
        L = Σ [y r² + (1 - y) h²] / 2 / D

    Gradient, with u / r taken as 0 for an equal pair, which has no direction::

        da = [y u - (1 - y) h u / r] / D,  db = -da

    Parameters
    ----------
    margin : float
        Distance beyond which a pair that is not similar counts no more.
    reduction : {"mean", "sum", "none"}
        "none" returns each pair's loss; backward takes one number for all, or one per pair.

    Raises
    ------
    TypeError
        Embeddings that are not floating-point.
    ValueError
        Different shapes; an empty batch; a margin that is not positive; targets outside [0, 1]
        (checked in NumPy arrays only).

    Notes
    -----
    ``loss(x1, x2, target)``; ``backward()`` returns the two gradients (da, db).
    ``loss((x1, x2), target)`` is the same call, which a Trainer makes for a model whose forward
    returns the pair and whose backward takes it. PyTorch has no such loss. The paper's Y is 1 - y.

    References
    ----------
    Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
    eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.ContrastiveLoss(margin=3.0)
    >>> print(loss(np.array([[2.0], [2.0]]), np.zeros((2, 1)), np.array([1, 0])))
    1.25
    >>> da, db = loss.backward()
    >>> da.ravel(), db.ravel()
    (array([ 1. , -0.5]), array([-1. ,  0.5]))
    """

    def __init__(self, *, margin: float = 1.0, reduction: str = "mean"):
        check_reduction(self, reduction)
        check_positive(self, margin=margin)
        self.margin = margin
        self.reduction = reduction

    @accelerated
    def forward(
        self, x1: Array | tuple[Array, Array], x2: Array, target: Array | None = None
    ) -> Array:  # (N, d), (N, d), (N,)
        if target is None:
            (x1, x2), target = x1, x2
        u, y = x1 - x2, target.astype(x1.dtype, copy=False)
        r = np.sqrt((u**2).sum(axis=-1))  # (N,)
        h = np.maximum(self.margin - r, 0)  # (N,)
        losses = (y * r**2 + (1 - y) * h**2) / 2  # (N,)
        D = losses.size if self.reduction == "mean" else 1
        self.save(u, y, r, h, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array]:
        u, y, r, h, D = self.saved()
        dloss = check_dloss(self, dloss, r)  # a number, or (N,) for reduction "none"
        k = dloss / D * (y - (1 - y) * h / (r + (r == 0)))  # (N,)  u is 0 where r is
        da = k[..., None] * u  # (N, d)
        return da, -da

    def check_input(
        self, x1: Array | tuple[Array, Array], x2: Array, target: Array | None = None
    ) -> None:
        if target is None:
            (x1, x2), target = pair_of(self, x1, "x1, x2"), x2
        check_embeddings(self, x1=x1, x2=x2)
        if getattr(target, "shape", None) != x1.shape[:-1]:
            raise ValueError(
                f"ContrastiveLoss: expected target of shape {x1.shape[:-1]}, 1 for each similar "
                f"pair and 0 for the others, got {np.shape(target)}"
            )
        check_binary(self, target)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, reduction={self.reduction!r}"


class NTXentLoss(Module):
    """Tell each sample's other view from all other samples of the batch, as SimCLR does.

    Formula, for two views a, b of shape (N, d), which are the rows x_i of one array (2N, d); the
    view of row i is row j(i) = i ± N, and D = 2N for "mean", 1 for "sum" and "none"::

        z_i  = x_i / ‖x_i‖,  s_ik = z_i · z_k / τ
        p_ik = exp(s_ik) / Σ_{l ≠ i} exp(s_il)      0 for k = i
        L    = Σ_i -log p_ij / D

    It is the cross-entropy of 2N classes, whose logits are similarities. Gradient::

        G_ik = (p_ik - [k = j(i)]) / D
        dz   = (G + Gᵀ) z / τ                       s_ik has both z_i and z_k
        dx_i = (dz_i - z_i (z_i · dz_i)) / ‖x_i‖    0 for x_i = 0

    Parameters
    ----------
    temperature : float
        τ; the smaller, the more the nearest wrong samples count.
    reduction : {"mean", "sum", "none"}
        "none" returns the loss of each of the 2N rows; backward takes one number for all, or one
        per row.

    Raises
    ------
    TypeError
        Embeddings that are not floating-point.
    ValueError
        Different shapes; an empty batch; a temperature that is not positive.

    Notes
    -----
    ``loss(x1, x2)``; ``backward()`` returns the two gradients (da, db). With one pair, there is
    nothing to tell it from, and the loss is 0.

    References
    ----------
    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020,
    eq. 1; InfoNCE: van den Oord, Li and Vinyals, "Representation Learning with Contrastive
    Predictive Coding", 2018, eq. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.NTXentLoss(temperature=1.0)
    >>> print(loss(np.eye(2), np.eye(2)).round(4))
    0.5514
    """

    def __init__(self, *, temperature: float = 0.5, reduction: str = "mean"):
        check_reduction(self, reduction)
        check_positive(self, temperature=temperature)
        self.temperature = temperature
        self.reduction = reduction

    @accelerated
    def forward(self, x1: Array, x2: Array) -> Array:  # both (N, d)
        x = np.concatenate([x1, x2])  # (2N, d)
        length = np.sqrt((x**2).sum(axis=-1, keepdims=True))  # (2N, 1)
        z = x / (length + (length == 0))  # (2N, d)
        i = np.arange(len(x), like=x)  # (2N,)
        view = (i[:, None] + len(x1)) % len(x) == i  # (2N, 2N)  [k = j(i)]
        s = np.where(i[:, None] == i, -np.inf, z @ z.T / self.temperature)  # (2N, 2N)
        s = s - s.max(axis=-1, keepdims=True)
        nll = np.log(np.exp(s).sum(axis=-1, keepdims=True)) - s  # (2N, 2N)  -log p
        losses = np.where(view, nll, 0).sum(axis=-1)  # (2N,)
        D = losses.size if self.reduction == "mean" else 1
        self.save(z, length, np.exp(-nll) - view, D)
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array]:
        z, length, G, D = self.saved()
        dloss = check_dloss(self, dloss, length[:, 0])
        if np.ndim(dloss):  # one for each row
            dloss = dloss[:, None]  # (2N, 1)
        G = dloss / D * G  # (2N, 2N)
        dz = (G + G.T) @ z / self.temperature  # (2N, d)
        dx = dz - z * (z * dz).sum(axis=-1, keepdims=True)  # (2N, d)
        dx = dx * (length > 0) / (length + (length == 0))  # (2N, d)
        return dx[: len(dx) // 2], dx[len(dx) // 2 :]

    def check_input(self, x1: Array, x2: Array) -> None:
        check_embeddings(self, x1=x1, x2=x2)
        if x1.ndim != 2:
            raise ValueError(f"NTXentLoss: expected x1 and x2 of shape (N, d), got {x1.shape}")

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, reduction={self.reduction!r}"
