"""Forms of the normalisation layers for sharded batches: statistics are exchanged between ranks.

`firstlight.distributed.sharding` imports this module when the first batch is sharded.
"""

from typing import Any

import numpy as np

from firstlight.distributed import sharding
from firstlight.distributed.sharding import sums
from firstlight.nn._norm_checks import check_channels_last, check_count
from firstlight.nn.batchnorm import BatchNorm
from firstlight.nn.instancenorm import InstanceNorm2d
from firstlight.support.array import Array
from firstlight.support.forms import form


def several_ranks(layer: Any, x: Any) -> bool:
    """Batches shared by several ranks."""
    return sharding.current() is not None


@form(BatchNorm, when=[several_ranks], always=True)
class ShardedBatchNorm:
    """The lesson with mean, variance, db and dw of the whole batch.

    Forward saves the same values as the lesson, so that a subclass may have its own backward.
    """

    def forward(self, layer: BatchNorm, x: Array) -> Array:  # x (N, ..., C)
        if layer.training or layer.running_mean is None:
            axes = tuple(range(x.ndim - 1))  # all but the channels
            mean = x.mean(axis=axes)  # (C,)
            var = np.square(x - mean).mean(axis=axes)  # (C,)
            mean, var, n = whole_moments(mean, var, x.size // layer.num_features)
            layer.track(mean, var, n)
        else:
            mean, var, n = layer.running_mean.data, layer.running_var.data, None  # (C,)
        r = 1 / np.sqrt(var + layer.eps)  # (C,)
        x_hat = (x - mean) * r  # (N, ..., C)
        layer.save(x_hat, r, n)
        w, b = layer.affine()
        return w * x_hat + b  # (N, ..., C)

    def backward(self, layer: BatchNorm, dy: Array) -> Array:  # dy (N, ..., C)
        x_hat, r, n = layer.saved()
        axes = tuple(range(dy.ndim - 1))
        db = dy.sum(axis=axes)  # (C,)
        dw = (dy * x_hat).sum(axis=axes)  # (C,)
        if layer.weight is not None:
            layer.weight.grad += dw  # not summed here: the trainer sums gradients over ranks
        if layer.bias is not None:
            layer.bias.grad += db
        w, _ = layer.affine()
        if n is None:
            return w * r * dy
        db, dw = sums(db, dw)  # mean and variance depend on every sample of the batch
        return w * r * (dy - db / n - x_hat * dw / n)  # (N, ..., C)

    def check_input(self, layer: BatchNorm, x: Array) -> None:
        """Check the number of values of the whole batch: a shard may have one per channel."""
        check_channels_last(layer, x, "num_features", layer.layouts)
        if layer.training:
            check_count(layer, x, whole_count(x.size // layer.num_features))


@form(InstanceNorm2d, when=[several_ranks], always=True)
class ShardedInstanceNorm:
    """Running statistics of the images of the whole batch."""

    def over_images(self, layer: InstanceNorm2d, values: Array) -> Array:  # (N, C) -> (C,)
        return row_mean(values)


def whole_count(n: int) -> int:
    """Return the number of values in the whole batch, if this rank's shard has n."""
    shard = sharding.current()
    return n if shard is None else n // (shard.rows.stop - shard.rows.start) * shard.whole


def whole_moments(mean: Array, var: Array, n: int) -> tuple[Array, Array, int]:
    """Return mean, variance and count of the whole batch, from those of this rank's n values.

    If shard r has n_r values with mean m_r, then Σ n_r (var_r + (m_r - mean)²) is the sum of
    squares around the mean of all values.

    Parameters
    ----------
    mean, var : array, shape (C,)
        The variance is the biased one.
    n : int
        Values in each channel.

    References
    ----------
    Chan et al., "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
    1979, eq. 2.1.
    """
    shard = sharding.current()
    if shard is None:
        return mean, var, n
    whole = whole_count(n)
    n = n if shard.weight else 0
    (center,) = sums(mean * (n / whole))
    (spread,) = sums((var + np.square(mean - center)) * (n / whole))
    return center, spread, whole


def row_mean(x: Array) -> Array:
    """Return the mean of the whole batch over the first axis, the samples."""
    shard = sharding.current()
    if shard is None:
        return x.mean(axis=0)
    (total,) = sums(x.sum(axis=0) * (1 if shard.weight else 0))
    return total / shard.whole
