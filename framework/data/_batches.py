"""Create the batches of a data set, alone, in threads or in other processes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from firstlight.support import rng as randomness
from firstlight.support.array import Array


class Task(NamedTuple):
    """What one batch is made of.

    Attributes
    ----------
    places : array of int
        Indices of its samples.
    numbers : tuple (seed, epoch, batch)
        They determine its random numbers.
    share : slice
        The samples that this rank computes.
    by_rank : tuple
        The rank, if several share the batch; else empty.
    """

    places: Array
    numbers: tuple[int, int, int]
    share: slice
    by_rank: tuple[int, ...]


@dataclass(frozen=True)
class BatchMaker:
    """Create batches from a data set.

    A batch depends on its `Task` alone, so that batches may be created in any order, by any number
    of threads or processes.

    Attributes
    ----------
    data : data set
    transform : callable or None
        ``f(batch, rng) -> batch``.
    draws : bool
        Whether the data set draws new samples, instead of taking them by index.
    """

    data: Any
    transform: Any
    draws: bool

    def __call__(self, task: Task) -> Any:
        """Return the batch of a task; a note on an error names the batch and the sample."""
        try:
            batch = self._samples(task)
            if self.transform is not None:
                rng = randomness.derived("augment", *task.numbers, *task.by_rank)
                batch = self.transform(batch, rng)
        except Exception as error:
            name = getattr(self.data, "name", type(self.data).__name__)
            _, epoch, index = task.numbers
            error.add_note(
                f"while batch {index} of epoch {epoch} of {name} was created{self._culprit(task)}"
            )
            raise
        if batch is None:
            raise TypeError(
                f"DataLoader: transform {self.transform!r} returned None; end it with: return batch"
            )
        return batch

    def _samples(self, task):
        if self.draws:
            rng = randomness.derived("draw", *task.numbers)
            batch = self.data.draw(len(task.places), rng)
            return tuple(array[task.share] for array in batch)
        return self.data[task.places[task.share]]

    def _culprit(self, task):
        """Return which sample cannot be read by itself, in words, or ""."""
        for place in [] if self.draws else task.places[task.share].tolist():
            try:
                self.data[np.array([place])]
            except Exception:
                return f", by sample {place}"
        return ""
