"""GroupNorm: standardise groups of channels of each sample."""

import math
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import no_bias_repr
from firstlight.nn._norm_checks import check_channels_last, check_groups
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class GroupNorm(Module):
    """Standardise each group of channels of each sample, then scale and shift by channel.

    Formula, for the n values of a group (its channels at all positions of one sample), with
    r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Unlike BatchNorm, it is the same in training and evaluation and for any batch size. With one
    group it is LayerNorm over the whole sample, with as many groups as channels InstanceNorm.

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations/normalisation.md)::

        db = Σ dy        dw = Σ dy x̂                over samples and positions
        dx = r (g - mean(g) - x̂ mean(g x̂))          means over the group

    Parameters
    ----------
    num_groups : int
        G, a divisor of ``num_channels``; adjacent channels form a group.
    num_channels : int
        C.
    eps : float
        Keeps r finite if a group is constant.
    affine : bool
        If False, there are no w and b.
    bias : bool
        If False, there is no b.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
        w and b, initially 1 and 0.

    Raises
    ------
    ValueError
        G does not divide C; x is not (N, ..., C).
    TypeError
        x of another dtype than the weight.

    References
    ----------
    Wu & He, "Group Normalization", 2018, eq. 1-3 and 7.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> x = np.array([[1.0, 3.0, 0.0, 8.0]], "float32")
    >>> nn.GroupNorm(2, 4)(x).round(3)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
    ):
        check_groups(self, num_groups, num_channels)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps: float = float(eps)
        shape, has_bias = (num_channels,), affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, ..., C)
        groups = self.grouped(x)  # (N, P, G, C/G) with P positions
        mean = groups.mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        var = np.square(groups - mean).mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        r = 1 / np.sqrt(var + self.eps)  # (N, 1, G, 1)
        x_hat = ((groups - mean) * r).reshape(x.shape)  # (N, ..., C)
        self.save(x_hat, r)
        w, b = self.affine()
        return w * x_hat + b  # (N, ..., C)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, ..., C)
        x_hat, r = self.saved()
        positions = tuple(range(dy.ndim - 1))  # of all samples
        if self.weight is not None:
            self.weight.grad += (dy * x_hat).sum(axis=positions)  # (C,)
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=positions)  # (C,)
        w, _ = self.affine()
        g, x_hat = self.grouped(dy * w), self.grouped(x_hat)  # (N, P, G, C/G)
        mean_g = g.mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        mean_g_x_hat = (g * x_hat).mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        dx = r * (g - mean_g - x_hat * mean_g_x_hat)  # (N, P, G, C/G)
        return dx.reshape(dy.shape)  # (N, ..., C)

    def grouped(self, x: Array) -> Array:
        """View x (N, ..., C) as (N, P, G, C/G): P positions of G groups of channels."""
        per_group = self.num_channels // self.num_groups
        return x.reshape(len(x), math.prod(x.shape[1:-1]), self.num_groups, per_group)

    def affine(self) -> tuple[Any, Any]:
        """Return w and b, (C,) each; 1 and 0 where there are none."""
        w = 1 if self.weight is None else self.weight.data
        b = 0 if self.bias is None else self.bias.data
        return w, b

    def check_input(self, x: Array) -> None:
        check_channels_last(self, x, "num_channels", {max(2, x.ndim): "N, ..."})

    def flops(self, x: Array, y: Array) -> int:
        return 7 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, "
            f"affine={self.weight is not None}" + no_bias_repr(self)
        )
