"""Sharding of batches: the samples that each rank computes, their random numbers and statistics.

A batch of n samples is cut into one shard of neighbouring samples per rank, of sizes as equal as
possible. The last batch of an epoch may have fewer samples than there are ranks: a rank without a
sample computes one of another rank's with weight 0, because layers and sums over ranks need one.

Random numbers of a layer (dropout) are those that one process would draw for the whole batch; each
rank skips those of the other ranks' samples. So the generators of all ranks are always in the
state of the one process': the checkpoint of rank 0 is valid for any number of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from firstlight.distributed.communicator import Communicator
from firstlight.support.array import Array
from firstlight.support.batches import sample_count

_current = None  # the shard of the batch being computed; None if this process has the whole batch


@dataclass(frozen=True)
class Shard:
    """One rank's part of a batch.

    Attributes
    ----------
    start, stop : int
        Its samples in the whole batch.
    whole : int
        Samples in the whole batch.
    communicator : Communicator
        Of the ranks that have the other shards.

    Examples
    --------
    >>> from firstlight.distributed.sharding import Shard
    >>> shard = Shard(4, 7, 10, None)
    >>> shard.weight, shard.rows
    (3, slice(4, 7, None))
    """

    start: int
    stop: int
    whole: int
    communicator: Communicator

    @classmethod
    def of(cls, whole: int, communicator: Communicator) -> Shard:
        """Return this rank's shard of a batch of ``whole`` samples."""
        rank, size = communicator.rank, communicator.size
        return cls(whole * rank // size, whole * (rank + 1) // size, whole, communicator)

    @property
    def weight(self) -> int:
        """Number of samples that count: 0 for a rank that has none of its own."""
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """The samples to compute, as a slice of the whole batch; at least one."""
        return slice(self.start, max(self.stop, self.start + 1))


def current() -> Shard | None:
    """Return the `Shard` of the training batch being computed, or None with a single rank."""
    return _current


def set_current(shard: Shard | None) -> None:
    """Set the shard that the next forward and backward passes belong to."""
    global _current
    _current = shard


def shards(loader: Iterable[Any], communicator: Communicator) -> Iterator[Any]:
    """Yield this rank's shard of each batch; `current` tells which it is.

    A `DataLoader` reads the samples of the shard only. Any other loader makes the whole batch on
    each rank, of which the shard is taken, so it must yield the same batches on every rank.

    Parameters
    ----------
    loader : iterable of batches
    communicator : Communicator
    """
    if communicator.size == 1:
        yield from loader
        return
    ours = hasattr(loader, "shared_by")
    if ours:
        loader.shared_by = communicator
    try:
        for batch in loader:
            whole = loader.samples(loader.batch - 1) if ours else sample_count(batch)
            shard = Shard.of(whole, communicator)
            set_current(shard)
            yield batch if ours else cut(batch, shard)
    finally:
        set_current(None)
        if ours:
            loader.shared_by = None


def cut(batch: Any, shard: Shard) -> Any:
    """Return the shard of a batch: the rows of every array that has one for each sample."""
    if isinstance(batch, (tuple, list)):
        return tuple(cut(part, shard) for part in batch)
    if isinstance(batch, dict):
        return {name: cut(part, shard) for name, part in batch.items()}
    is_by_sample = getattr(batch, "ndim", 0) and len(batch) == shard.whole
    return batch[shard.rows] if is_by_sample else batch


def whole_of(batch: Any) -> int:
    """Return the number of samples in the whole batch of which this may be a shard."""
    return sample_count(batch) if _current is None else _current.whole


def weight_of(batch: Any) -> int:
    """Return the number of samples that count in a batch, or in this rank's shard of it."""
    return sample_count(batch) if _current is None else _current.weight


def integers16(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return random uint16 for this rank's rows, out of those for the whole batch.

    Parameters
    ----------
    generator : numpy.random.Generator
        PCG64 skips the rows of other ranks in constant time; other generators draw them.
    shape : tuple of int
        Rows first: the number of samples or a multiple of it. With any other number it is unknown
        which rows are whose, and every rank draws the same.
    """
    draw = partial(generator.integers, 2**16, dtype="uint16")
    if _current is None:
        return draw(size=shape)
    per_sample = _rows_per_sample(shape[0])
    if per_sample is None or not hasattr(generator.bit_generator, "advance"):
        return draw_rows(lambda rows: draw(size=(rows, *shape[1:])), shape[0])
    row = per_sample * math.prod(shape[1:])
    start, stop, end = (row * n for n in (_current.rows.start, _current.rows.stop, _current.whole))
    # Two come from one 32-bit number, and a half that is left over is dropped.
    first = start // 2 * 2
    _skip(generator, first // 2)
    mine = draw(size=stop - first)[start - first :]
    _skip(generator, -(-end // 2) - first // 2 - -(-(stop - first) // 2))
    return mine.reshape(shape)


def first_row(rows: int) -> int:
    """Return the index, in the whole batch's array, of the first of this rank's ``rows``."""
    per_sample = _rows_per_sample(rows)
    return 0 if per_sample is None else _current.rows.start * per_sample


def draw_rows(draw: Callable[[int], Array], rows: int) -> Array:
    """Return this rank's rows of ``draw(number of rows)``, drawn for the whole batch."""
    per_sample = _rows_per_sample(rows)
    if per_sample is None:
        return draw(rows)
    mine = slice(_current.rows.start * per_sample, _current.rows.stop * per_sample)
    return draw(_current.whole * per_sample)[mine]


def _rows_per_sample(rows: int) -> int | None:
    if _current is None:
        return None
    per_sample, rest = divmod(rows, _current.rows.stop - _current.rows.start)
    return per_sample if rest == 0 else None


def _skip(generator: np.random.Generator, count: int) -> None:
    """Advance a PCG64 generator as if it had drawn ``count`` numbers of 32 bits.

    Two of them come from one 64-bit number; of an odd count the second half waits.
    """
    bits = generator.bit_generator
    if count and bits.state.get("has_uint32"):
        generator.random(dtype="float32")
        count -= 1
    if count > 1:
        bits.advance(count // 2)
    if count % 2:
        generator.random(dtype="float32")


def moments(mean: Array, var: Array, n: int) -> tuple[Array, Array, int]:
    """Return mean, variance and count of the whole batch, from those of this rank's n values.

    With n_r values around mean m_r in shard r, Σ n_r (var_r + (m_r - mean)²) are the squares
    around the mean of all.

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
    if _current is None:
        return mean, var, n
    whole = n // (_current.rows.stop - _current.rows.start) * _current.whole
    n = n if _current.weight else 0
    (center,) = sums(mean * (n / whole))
    (spread,) = sums((var + np.square(mean - center)) * (n / whole))
    return center, spread, whole


def sums(*arrays: Array) -> tuple[Array, ...]:
    """Return each array's sum over the ranks that share the batch; all have the same shape."""
    if _current is None:
        return arrays
    together = np.stack(arrays)
    _current.communicator.allreduce_(together)
    return tuple(together)


def row_mean(x: Array) -> Array:
    """Return the mean over the first axis, the samples, of the whole batch."""
    if _current is None:
        return x.mean(axis=0)
    (total,) = sums(x.sum(axis=0) * (1 if _current.weight else 0))
    return total / _current.whole
