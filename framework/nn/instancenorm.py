"""InstanceNorm2d: standardise each channel of each image."""

import math

import numpy as np

from firstlight import fast
from firstlight.distributed import sharding
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype, no_bias_repr
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array


class InstanceNorm2d(Module):
    """Standardise each channel of each image, which removes its contrast.

    Formula, for the n = H W values of a channel of one image, with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    The image's own mean and (biased) variance are used in evaluation too, unless running
    statistics are tracked.

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations.md)::

        db = Σ dy        dw = Σ dy x̂               over images and positions
        dx = r (g - mean(g) - x̂ mean(g x̂))         means over the n values
        dx = r g                                    evaluation with running statistics

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
        Keeps r finite if a channel is constant.
    momentum : float
        Weight of the newest batch in the running statistics.
    affine : bool
        If True, there are w and b.
    track_running_stats : bool
        If True, track the means over images of mean and variance, and use them in evaluation.
    bias : bool
        If False, there is no b.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
        w and b, initially 1 and 0.
    running_mean, running_var : Buffer, shape (C,), or None
        Initially 0 and 1; the variance is the unbiased one, as in PyTorch.

    Raises
    ------
    ValueError
        x is not (N, H, W, C); images of one pixel.
    TypeError
        x of another dtype than the layer.

    References
    ----------
    Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization", 2016,
    eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> image = np.array([0.0, 4.0], "float32").reshape(1, 1, 2, 1)
    >>> nn.InstanceNorm2d(1)(image).ravel().round(3)
    array([-1.,  1.], dtype=float32)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ):
        if num_features < 1:
            raise ValueError(
                f"InstanceNorm2d: expected num_features of 1 or more, got {num_features}"
            )
        if not 0 <= momentum <= 1:
            raise ValueError(f"InstanceNorm2d: expected a momentum from 0 to 1, got {momentum}")
        self.num_features = num_features
        self.eps: float = float(eps)
        self.momentum: float = float(momentum)
        shape, has_bias = (num_features,), affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None
        tracked = track_running_stats
        self.running_mean: Buffer | None = Buffer(init.zeros(shape)) if tracked else None
        self.running_var: Buffer | None = Buffer(init.ones(shape)) if tracked else None

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        own = self.training or self.running_mean is None
        self._check(x, own)
        if own:
            mean, var = fast.sample_moments(x)  # (N, C) each
            if self.running_mean is not None:
                self._track(mean, var, x.shape[1] * x.shape[2])
        else:
            shape = len(x), self.num_features
            mean = np.broadcast_to(self.running_mean.data.copy(), shape)  # (N, C)
            var = np.broadcast_to(self.running_var.data, shape)  # (N, C)
        rstd = 1 / np.sqrt(var + self.eps)  # (N, C)
        self.save(x, mean, rstd, own)
        scale = rstd if self.weight is None else self.weight.data * rstd  # (N, C)
        shift = -mean * scale  # (N, C), for y = (x - mean) scale + b
        if self.bias is not None:
            shift += self.bias.data
        return fast.sample_map(shift, (x, scale))  # (N, H, W, C)

    def backward(self, dy: Array) -> Array:  # dy (N, H, W, C)
        x, mean, rstd, own = self.saved()
        self.check_dy(dy, x.shape)
        total, dot = fast.sample_dots(dy, x, mean)  # Σ dy and Σ dy (x - mean), (N, C) each
        dot *= rstd  # Σ dy x̂, as x̂ = (x - mean) r
        scale = rstd  # (N, C)
        if self.weight is not None:
            self.weight.grad += dot.sum(axis=0)
            if self.bias is not None:
                self.bias.grad += total.sum(axis=0)
            scale = self.weight.data * rstd
        if not own:
            return fast.sample_map(np.zeros_like(scale), (dy, scale))
        n = math.prod(x.shape[1:-1])
        slope = -scale * rstd * dot / n  # (N, C), of x
        return fast.sample_map(-scale * total / n - slope * mean, (dy, scale), (x, slope))

    def _track(self, mean, var, n):
        """Update the running statistics; n / (n - 1) makes the variance unbiased."""
        for running, new in (self.running_mean, mean), (self.running_var, var * (n / (n - 1))):
            running.data *= 1 - self.momentum
            running.data += self.momentum * sharding.row_mean(new)

    def _check(self, x, own):
        if x.ndim != 4 or x.shape[-1] != self.num_features:
            raise ValueError(
                f"InstanceNorm2d: expected x of shape (N, H, W, {self.num_features}), channels "
                f"last, got {x.shape}; build it with num_features=x.shape[-1]"
            )
        if own and x.shape[1] * x.shape[2] <= 1:
            raise ValueError(
                f"InstanceNorm2d: expected images of more than 1 pixel, got x of shape {x.shape}; "
                "normalise before the map has shrunk to one pixel, or use LayerNorm"
            )
        if (
            self.training
            and self.running_mean is not None
            and sharding.current() is None
            and not len(x)
        ):
            raise ValueError(
                "InstanceNorm2d: expected an image at least to track the statistics of, got x of "
                f"shape {x.shape}; leave empty batches out of training"
            )
        state = self.weight or self.running_mean
        if state is not None:
            check_dtype(self, x, state.data.dtype)

    def flops(self, x: Array, y: Array) -> int:
        return 4 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}" + no_bias_repr(self)
        )
