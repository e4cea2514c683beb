"""InstanceNorm2d: standardise each channel of each image."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_positive, no_bias_repr
from firstlight.nn._norm_checks import (
    check_any_images,
    check_channels_last,
    check_momentum,
    check_pixels,
)
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class InstanceNorm2d(Module):
    """Standardise each channel of each image, which removes its contrast.

    Formula, for the n = H W values of a channel of one image, with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    The image's own mean and (biased) variance are used in evaluation too, unless running
    statistics are tracked.

    Gradient, with g = dy w = dL/dx̂ (derivation: docs/derivations/normalisation.md)::

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
        check_positive(self, num_features=num_features)
        check_momentum(self, momentum)
        self.num_features = num_features
        self.eps: float = float(eps)
        self.momentum: float = float(momentum)
        shape, has_bias = (num_features,), affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None
        tracked = track_running_stats
        self.running_mean: Buffer | None = Buffer(init.zeros(shape)) if tracked else None
        self.running_var: Buffer | None = Buffer(init.ones(shape)) if tracked else None

    @accelerated
    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        own = self.training or self.running_mean is None
        if own:
            mean = x.mean(axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
            var = np.square(x - mean).mean(axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
            self.track(mean[:, 0, 0], var[:, 0, 0], x.shape[1] * x.shape[2])
        else:
            mean, var = self.running_mean.data, self.running_var.data  # (C,)
        r = 1 / np.sqrt(var + self.eps)  # (N, 1, 1, C), or (C,)
        x_hat = (x - mean) * r  # (N, H, W, C)
        self.save(x_hat, r, own)
        w, b = self.affine()
        return w * x_hat + b  # (N, H, W, C)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, H, W, C)
        x_hat, r, own = self.saved()
        if self.weight is not None:
            self.weight.grad += (dy * x_hat).sum(axis=(0, 1, 2))  # (C,)
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=(0, 1, 2))  # (C,)
        w, _ = self.affine()
        g = dy * w  # (N, H, W, C)
        if not own:  # mean and variance are constants
            return r * g
        mean_g = g.mean(axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
        mean_g_x_hat = (g * x_hat).mean(axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
        return r * (g - mean_g - x_hat * mean_g_x_hat)  # (N, H, W, C)

    def track(self, mean: Array, var: Array, n: int) -> None:  # (N, C) each, of n pixels
        """Update the running statistics in training; n / (n - 1) makes the variance unbiased."""
        if self.training and self.running_mean is not None:
            keep, new = 1 - self.momentum, self.momentum
            mean, var = self.over_images(mean), self.over_images(var * (n / (n - 1)))
            self.running_mean.data[...] = keep * self.running_mean.data + new * mean
            self.running_var.data[...] = keep * self.running_var.data + new * var

    @accelerated
    def over_images(self, values: Array) -> Array:  # (N, C) -> (C,)
        """Return the mean over all images of the batch."""
        return values.mean(axis=0)

    def affine(self) -> tuple[Any, Any]:
        """Return w and b, (C,) each; 1 and 0 where there are none."""
        w = 1 if self.weight is None else self.weight.data
        b = 0 if self.bias is None else self.bias.data
        return w, b

    def check_input(self, x: Array) -> None:
        check_channels_last(self, x, "num_features", {4: "N, H, W"})
        if self.training or self.running_mean is None:
            check_pixels(self, x)
        if self.training and self.running_mean is not None:
            check_any_images(self, x)

    def flops(self, x: Array, y: Array) -> int:
        return 4 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}" + no_bias_repr(self)
        )
