"""Sharding of batches: the samples that each rank computes, and sums over the ranks.

A batch is cut into one shard of neighbouring samples for each rank, of sizes as equal as possible.
If the last batch of an epoch has fewer samples than there are ranks, a rank without a sample
computes another rank's with weight 0, because layers and sums over ranks need one.

Random numbers of a layer (dropout) equal those that one process would draw for the whole batch; see
`firstlight.support.draws`. The checkpoint of rank 0 is therefore valid for any number of ranks.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.distributed.communicator import Communicator
from firstlight.support import draws
from firstlight.support.array import Array
from firstlight.support.batches import mapped, sample_count

_current = None  # the shard of the batch being computed; None if this process has the whole batch


@dataclass(frozen=True)
class Shard:
    """One rank's part of a batch.

    Attributes
    ----------
    start, stop : int
        Range of its samples in the whole batch.
    whole : int
        Number of samples in the whole batch.
    communicator : Communicator
        Connects the ranks that share the batch.

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
        """Number of samples that count; 0 for a rank without its own."""
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """The samples to compute, as a slice of the whole batch; at least one."""
        return slice(self.start, max(self.stop, self.start + 1))


def current() -> Shard | None:
    """Return the `Shard` of the training batch being computed, or None with a single rank."""
    return _current


def set_current(shard: Shard | None) -> None:
    """Set the shard of the next forward and backward passes."""
    global _current
    _current = shard
    draws.set_rows(None if shard is None else (shard.rows.start, shard.rows.stop, shard.whole))
    if shard is not None:  # not earlier: layers import this module
        importlib.import_module("firstlight.distributed.normalisation")  # registers its forms


def shards(loader: Iterable[Any], communicator: Communicator) -> Iterator[Any]:
    """Yield this rank's shard of each batch; `current` returns its `Shard`.

    A `DataLoader` reads only the samples of the shard. Any other loader creates the whole batch on
    each rank and the shard is cut from it, so it must yield the same batches on every rank.

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

    def rows(array):
        is_by_sample = getattr(array, "ndim", 0) and len(array) == shard.whole
        return array[shard.rows] if is_by_sample else array

    return mapped(rows, batch)


def whole_of(batch: Any) -> int:
    """Return the number of samples in the whole batch; the argument may be a shard of it."""
    return sample_count(batch) if _current is None else _current.whole


def weight_of(batch: Any) -> int:
    """Return the number of samples that count in a batch, or in this rank's shard of it."""
    return sample_count(batch) if _current is None else _current.weight


def sums(*arrays: Array) -> tuple[Array, ...]:
    """Return each array's sum over the ranks that share the batch; all have the same shape."""
    if _current is None:
        return arrays
    together = np.stack(arrays)
    _current.communicator.allreduce_(together)
    return tuple(together)
