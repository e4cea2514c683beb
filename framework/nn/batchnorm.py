"""BatchNorm1d: standardise each channel over the batch."""

import numpy as np

from firstlight.module import Module
from firstlight.nn import init
from firstlight.parameter import Buffer, Parameter


class BatchNorm1d(Module):
    """Standardise each channel over the batch, then scale and shift it.

    Formula, for the n values of a channel (all axes but the last), with r = 1/√(var + eps)::

        x̂ = (x - mean) r        y = w x̂ + b

    Training uses the batch's mean and (biased) variance and moves the running ones towards
    them; after ``eval()`` the running ones are used, and are constants.

    Gradient (derivation: docs/derivations.md)::

        db = Σ dy        dw = Σ dy x̂
        dx = w r (dy - db/n - x̂ dw/n)        training: x moves mean and variance too
        dx = w r dy                          evaluation

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
        Keeps r finite where a channel is constant.
    momentum : float
        Weight of the newest batch in the running statistics.
    affine : bool
        False leaves w and b out.
    track_running_stats : bool
        False keeps no running statistics and uses the batch's in evaluation as well.

    Attributes
    ----------
    weight, bias : Parameter, shape (C,), or None
        w and b, initially 1 and 0.
    running_mean, running_var : Buffer, shape (C,), or None
        Initially 0 and 1; the variance is the unbiased one, as in PyTorch.

    Raises
    ------
    ValueError
        x is not (N, C) or (N, L, C); a training batch with one value a channel.
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

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        if num_features < 1:
            raise ValueError(f"BatchNorm1d: expected num_features of 1 or more, got {num_features}")
        if momentum is None or not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm1d: expected a momentum from 0 to 1, got {momentum}")
        self.num_features, self.eps, self.momentum = num_features, float(eps), float(momentum)
        self.weight = Parameter(init.ones((num_features,))) if affine else None
        self.bias = Parameter(init.zeros((num_features,))) if affine else None
        self.running_mean = Buffer(init.zeros((num_features,))) if track_running_stats else None
        self.running_var = Buffer(init.ones((num_features,))) if track_running_stats else None

    def forward(self, x):  # x (N, C) or (N, L, C)
        self._check(x)
        use_batch = self.training or self.running_mean is None
        if use_batch:
            mean = x.mean(axis=tuple(range(x.ndim - 1)))  # (C,)
            x_hat = x - mean  # (N, ..., C)
            var = np.square(x_hat).mean(axis=tuple(range(x.ndim - 1)))  # (C,)
            if self.training and self.running_mean is not None:
                self._track(mean, var, x.size // self.num_features)
        else:
            x_hat = x - self.running_mean.data  # (N, ..., C)
            var = self.running_var.data  # (C,)
        rstd = 1 / np.sqrt(var + self.eps)  # (C,)
        x_hat *= rstd
        self.save(x_hat, rstd, use_batch)
        if self.weight is None:
            return x_hat
        y = x_hat * self.weight.data
        y += self.bias.data
        return y  # (N, ..., C)

    def backward(self, dy):  # dy (N, C) or (N, L, C)
        x_hat, rstd, use_batch = self.saved()
        self.check_dy(dy, x_hat.shape)
        axes, n = tuple(range(dy.ndim - 1)), dy.size // self.num_features
        db = dy.sum(axis=axes)  # (C,)
        dw = (dy * x_hat).sum(axis=axes)  # (C,)
        scale = rstd  # (C,)
        if self.weight is not None:
            self.weight.grad += dw
            self.bias.grad += db
            scale = self.weight.data * rstd
        if not use_batch:
            return dy * scale
        dx = x_hat * (dw * (-1 / n))
        dx += dy
        dx -= db * (1 / n)
        dx *= scale
        return dx  # (N, ..., C)

    def _track(self, mean, var, n):
        """Move the running statistics; n / (n - 1) makes the variance unbiased."""
        for running, new in (self.running_mean, mean), (self.running_var, var * (n / (n - 1))):
            running.data *= 1 - self.momentum
            running.data += self.momentum * new

    def _check(self, x):
        if x.ndim not in (2, 3) or x.shape[-1] != self.num_features:
            raise ValueError(
                f"BatchNorm1d: expected x of shape (N, {self.num_features}) or "
                f"(N, L, {self.num_features}), channels last, got {x.shape}; "
                "build it with num_features=x.shape[-1]"
            )
        if self.training and x.size <= self.num_features:
            raise ValueError(
                "BatchNorm1d: expected more than 1 value per channel when training, got x of "
                f"shape {x.shape}; use larger batches, or drop_last=True in the DataLoader"
            )
        state = self.weight or self.running_mean
        if state is not None and x.dtype != state.data.dtype:
            raise TypeError(
                f"BatchNorm1d: expected x of dtype {state.data.dtype} (the layer's), got "
                f"{x.dtype}; cast it with x.astype({state.data.dtype.name!r}), or the model with "
                ".to(dtype=...)"
            )

    def flops(self, x, y):
        return 4 * y.size

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )
