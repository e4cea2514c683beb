"""GroupNorm: standardise groups of channels of each sample."""

import math

import numpy as np

from firstlight import fast
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype, no_bias_repr
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class GroupNorm(Module):
    """Standardise each group of channels of each sample, then scale and shift by channel.

    Formula, for the n values of a group (its channels at all positions of one sample), with
    r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Unlike BatchNorm, it is the same in training and evaluation and for any batch size. With one
    group it is LayerNorm over the whole sample, with as many groups as channels InstanceNorm.

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations.md)::

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
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise ValueError(
                "GroupNorm: expected num_groups of 1 or more that divides num_channels, "
                f"got {num_groups} groups of {num_channels} channels"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps: float = float(eps)
        shape, has_bias = (num_channels,), affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None

    def forward(self, x: Array) -> Array:  # x (N, ..., C)
        self._check(x)
        mean, var = self._of_groups(*fast.sample_moments(x))  # (N, C) each
        rstd = 1 / np.sqrt(var + self.eps)  # (N, C)
        self.save(x, mean, rstd)
        scale = rstd if self.weight is None else self.weight.data * rstd  # (N, C)
        shift = -mean * scale  # (N, C), for y = (x - mean) scale + b
        if self.bias is not None:
            shift += self.bias.data
        return fast.sample_map(shift, (x, scale))  # (N, ..., C)

    def backward(self, dy: Array) -> Array:  # dy (N, ..., C)
        x, mean, rstd = self.saved()
        self.check_dy(dy, x.shape)
        g, g_x_hat = fast.sample_dots(dy, x, mean)  # sums over positions, (N, C) each
        g_x_hat *= rstd  # x̂ = (x - mean) r
        scale = rstd  # (N, C)
        if self.weight is not None:
            self.weight.grad += g_x_hat.sum(axis=0)
            if self.bias is not None:
                self.bias.grad += g.sum(axis=0)
            g, g_x_hat, scale = (self.weight.data * each for each in (g, g_x_hat, rstd))
        positions = math.prod(x.shape[1:-1])
        slope = self._mean(g_x_hat) * np.square(rstd) / -positions  # (N, C), of x
        shift = self._mean(g) * rstd / -positions - slope * mean  # (N, C)
        return fast.sample_map(shift, (dy, scale), (x, slope))  # (N, ..., C)

    def _of_groups(self, mean, var):
        """Return mean and variance of each channel's group from those of the channels."""
        center = self._mean(mean)  # (N, C)
        return center, self._mean(var + np.square(mean - center))

    def _mean(self, values):  # (N, C) -> (N, C)
        """Replace the value of each channel by the mean of its group."""
        groups = values.reshape(len(values), self.num_groups, self.num_channels // self.num_groups)
        means = np.broadcast_to(groups.mean(axis=2, keepdims=True), groups.shape)
        return means.reshape(values.shape)

    def _check(self, x):
        if x.ndim < 2 or x.shape[-1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: expected x of shape (N, ..., {self.num_channels}), channels last, "
                f"got {x.shape}; build it with num_channels=x.shape[-1]"
            )
        if self.weight is not None:
            check_dtype(self, x, self.weight.dtype)

    def flops(self, x: Array, y: Array) -> int:
        return 7 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, "
            f"affine={self.weight is not None}" + no_bias_repr(self)
        )
