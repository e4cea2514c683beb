"""BatchNorm1d and BatchNorm2d: standardise each channel over the batch."""

import math

import numpy as np

from firstlight import fast
from firstlight.distributed import sharding
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype, no_bias_repr
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array


class _BatchNorm(Module):
    """Base of both, which differ in the number of axes of x only; maths: `BatchNorm1d`."""

    layouts: dict[int, str] = {}  # number of axes of x: their names

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
        if num_features < 1:
            raise ValueError(
                f"{self._name}: expected num_features of 1 or more, got {num_features}"
            )
        if momentum is None or not 0 <= momentum <= 1:
            raise ValueError(f"{self._name}: expected a momentum from 0 to 1, got {momentum}")
        self.num_features = num_features
        self.eps: float = float(eps)
        self.momentum: float = float(momentum)
        shape, has_bias = (num_features,), affine and bias
        self.weight: Parameter | None = Parameter(init.ones(shape)) if affine else None
        self.bias: Parameter | None = Parameter(init.zeros(shape)) if has_bias else None
        tracked = track_running_stats
        self.running_mean: Buffer | None = Buffer(init.zeros(shape)) if tracked else None
        self.running_var: Buffer | None = Buffer(init.ones(shape)) if tracked else None

    def forward(self, x: Array) -> Array:  # x (N, ..., C)
        self._check(x)
        use_batch = self.training or self.running_mean is None
        if use_batch:
            n = math.prod(x.shape[:-1])
            mean, var, n = sharding.moments(*fast.channel_moments(x), n)  # (C,)
            if self.training and self.running_mean is not None:
                self._track(mean, var, n)
        else:
            mean, var, n = self.running_mean.data.copy(), self.running_var.data, None
        rstd = 1 / np.sqrt(var + self.eps)  # (C,)
        self.save(x, mean, rstd, n)
        if self.weight is None:
            return fast.channel_map(-mean * rstd, (x, rstd))  # (N, ..., C)
        scale = self.weight.data * rstd  # (C,)
        shift = -mean * scale if self.bias is None else self.bias.data - mean * scale  # (C,)
        return fast.channel_map(shift, (x, scale))  # (N, ..., C)

    def backward(self, dy: Array) -> Array:  # dy (N, ..., C)
        x, mean, rstd, n = self.saved()
        self.check_dy(dy, x.shape)
        db, dw = fast.channel_dots(dy, x, mean)  # (C,) each
        dw *= rstd  # x̂ = (x - mean) r
        scale = rstd  # (C,)
        if self.weight is not None:
            self.weight.grad += dw
            if self.bias is not None:
                self.bias.grad += db
            scale = self.weight.data * rstd
        if n is None:  # constants
            return dy * scale
        db, dw = sharding.sums(db, dw)  # mean and variance depend on every sample of the batch
        slope = -scale * rstd * dw / n  # (C,) of x
        return fast.channel_map(-scale * db / n - slope * mean, (dy, scale), (x, slope))

    def _track(self, mean, var, n):
        """Update the running statistics; n / (n - 1) makes the variance unbiased."""
        for running, new in (self.running_mean, mean), (self.running_var, var * (n / (n - 1))):
            running.data *= 1 - self.momentum
            running.data += self.momentum * new

    def _check(self, x):
        if x.ndim not in self.layouts or x.shape[-1] != self.num_features:
            layouts = " or ".join(
                f"({axes}, {self.num_features})" for axes in self.layouts.values()
            )
            raise ValueError(
                f"{self._name}: expected x of shape {layouts}, channels last, got {x.shape}; "
                "build it with num_features=x.shape[-1]"
            )
        if self.training and sharding.current() is None and x.size <= self.num_features:
            raise ValueError(
                f"{self._name}: expected more than 1 value per channel when training, got x of "
                f"shape {x.shape}; use larger batches, or drop_last=True in the DataLoader"
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


class BatchNorm1d(_BatchNorm):
    """Standardise each channel over the batch, then scale and shift it.

    Formula, for the n values of a channel (all axes but the last), with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Training uses the batch's mean and (biased) variance and updates the running statistics with
    them; after ``eval()`` the running statistics are used as constants.

    Gradient (derivation: docs/derivations.md)::

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


class BatchNorm2d(_BatchNorm):
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
