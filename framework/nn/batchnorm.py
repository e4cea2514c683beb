"""BatchNorm1d and BatchNorm2d: standardise each channel over the batch."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_positive, no_bias_repr
from firstlight.nn._norm_checks import check_channels_last, check_count, check_momentum
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class BatchNorm(Module):
    """Base of both, which differ in the number of axes of x only.

    Formula and gradient, for the n values of each channel (see `BatchNorm1d`)::

        x̂ = (x - mean) r        y = w x̂ + b        r = 1/√(var + eps)
        db = Σ dy               dw = Σ dy x̂
        dx = w r (dy - db/n - x̂ dw/n)
    """

    layouts: dict[int, str] = {}  # number of axes of x: their names before the channels

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
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
    def forward(self, x: Array) -> Array:  # x (N, ..., C)
        if self.training or self.running_mean is None:
            axes = tuple(range(x.ndim - 1))  # all but the channels
            n = x.size // self.num_features
            mean = x.mean(axis=axes)  # (C,)
            var = np.square(x - mean).mean(axis=axes)  # (C,)
            self.track(mean, var, n)
        else:
            mean, var, n = self.running_mean.data, self.running_var.data, None  # (C,)
        r = 1 / np.sqrt(var + self.eps)  # (C,)
        x_hat = (x - mean) * r  # (N, ..., C)
        self.save(x_hat, r, n)
        w, b = self.affine()
        return w * x_hat + b  # (N, ..., C)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (N, ..., C)
        x_hat, r, n = self.saved()
        axes = tuple(range(dy.ndim - 1))
        db = dy.sum(axis=axes)  # (C,)
        dw = (dy * x_hat).sum(axis=axes)  # (C,)
        if self.weight is not None:
            self.weight.grad += dw
        if self.bias is not None:
            self.bias.grad += db
        w, _ = self.affine()
        if n is None:  # mean and variance are constants
            return w * r * dy
        return w * r * (dy - db / n - x_hat * dw / n)  # (N, ..., C)

    def track(self, mean: Array, var: Array, n: int) -> None:
        """Update the running statistics in training; n / (n - 1) makes the variance unbiased."""
        if self.training and self.running_mean is not None:
            keep, new = 1 - self.momentum, self.momentum
            var = var * (n / (n - 1))
            self.running_mean.data[...] = keep * self.running_mean.data + new * mean
            self.running_var.data[...] = keep * self.running_var.data + new * var

    def affine(self) -> tuple[Any, Any]:
        """Return w and b, (C,) each; 1 and 0 where there are none."""
        w = 1 if self.weight is None else self.weight.data
        b = 0 if self.bias is None else self.bias.data
        return w, b

    @accelerated
    def check_input(self, x: Array) -> None:
        check_channels_last(self, x, "num_features", self.layouts)
        if self.training:
            check_count(self, x, x.size // self.num_features)

    def flops(self, x: Array, y: Array) -> int:
        return 4 * y.size

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}" + no_bias_repr(self)
        )


class BatchNorm1d(BatchNorm):
    """Standardise each channel over the batch, then scale and shift it.

    Formula, for the n values of a channel (all axes but the last), with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Training uses the batch's mean and (biased) variance and updates the running statistics with
    them; after ``eval()`` the running statistics are used as constants.

    Gradient (derivation: docs/derivations/normalisation.md)::

        db = Σ dy        dw = Σ dy x̂
        dx = w r (dy - db/n - x̂ dw/n)        training: mean and variance depend on x
        dx = w r dy                          evaluation

    With several ranks, mean and variance, and in backward the two sums, are those of the whole
    batch, as in PyTorch's SyncBatchNorm.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
        Keeps r finite if a channel is constant.
    momentum : float
        Weight of the newest batch in the running statistics.
    affine : bool
        If False, there are no w and b.
    track_running_stats : bool
        If False, the batch's statistics are used in evaluation as well.
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
        x is not (N, C) or (N, L, C); a training batch with one value per channel.
    TypeError
        x of another dtype than the layer.

    References
    ----------
    Ioffe & Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift", 2015, algorithm 1 and section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.BatchNorm1d(1)(np.array([[1.0], [3.0]], "float32")).round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    layouts: dict[int, str] = {2: "N", 3: "N, L"}


class BatchNorm2d(BatchNorm):
    """Standardise each channel of images over the batch, then scale and shift it.

    Formula and gradient are those of `BatchNorm1d`; the n = N H W values of a channel are all
    pixels of the batch, as a filter is applied equally at every pixel.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias
        As in `BatchNorm1d`.

    Attributes
    ----------
    weight, bias, running_mean, running_var
        As in `BatchNorm1d`.

    Raises
    ------
    ValueError
        x is not (N, H, W, C); a training batch with one value per channel.
    TypeError
        x of another dtype than the layer.

    References
    ----------
    Ioffe & Szegedy, 2015 (see `BatchNorm1d`), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> images = np.array([0.0, 4.0], "float32").reshape(2, 1, 1, 1)
    >>> nn.BatchNorm2d(1)(images).ravel().round(3)
    array([-1.,  1.], dtype=float32)
    """

    layouts: dict[int, str] = {4: "N, H, W"}
