"""Accumulation: one optimizer step from the gradients of several batches."""

from bisect import bisect_right
from itertools import pairwise

from firstlight.distributed import share as sharing
from firstlight.distributed.sharding import weight_of, whole_of
from firstlight.limits import parse_count


class Accumulation:
    """Go backward batch by batch, and average the gradient over all samples of a window.

    With dy_b the gradient of batch b's mean loss and n_b its samples, the gradient of the mean
    loss over the whole window is::

        Σ_b n_b dW_b / Σ_b n_b

    so k batches of n samples equal one of k·n, also when the last one is smaller.

    Parameters
    ----------
    batches : int or dict of int to int
        Batches in a window; or a schedule, ``{epoch: batches}``, of the epochs (counted from 1)
        at which that changes. Before the first of them a window is one batch.

    Raises
    ------
    TypeError, ValueError
        Numbers that are not whole, or below 1; an empty schedule.

    Examples
    --------
    >>> from firstlight.accumulation import Accumulation
    >>> accumulation = Accumulation({1: 8, 5: 4})
    >>> [accumulation.batches(epoch) for epoch in (1, 4, 5, 99)]
    [8, 8, 4, 4]
    """

    def __init__(self, batches):
        schedule = batches if isinstance(batches, dict) else {1: batches}
        if not schedule:
            raise ValueError("accumulate_grad_batches: expected {epoch: batches}, got an empty one")
        self.schedule = {
            parse_count("accumulate_grad_batches: epoch", epoch): parse_count(
                "accumulate_grad_batches", count
            )
            for epoch, count in sorted(schedule.items())
        }
        self._samples = 0  # of the window under way

    def batches(self, epoch):
        """Return how many batches make a window in an epoch."""
        starts = list(self.schedule)
        index = bisect_right(starts, epoch)
        return self.schedule[starts[index - 1]] if index else 1

    def steps(self, epochs, count):
        """Return how many windows so many epochs of ``count`` batches have."""
        starts = [min(start, epochs + 1) for start in (1, *self.schedule, epochs + 1)]
        return sum(
            (following - start) * -(-count // self.batches(start))
            for start, following in pairwise(starts)
        )

    def windows(self, epoch, count):
        """Return a function of a batch's index (from 0): whether a window ends with it."""
        batches, self._samples = self.batches(epoch), 0
        return lambda index: index + 1 == count or (index + 1) % batches == 0

    def backward(self, module, optimizer, dy, batch, ends_window):
        """Undo a forward; at a window's end the parameters' ``grad`` is the average.

        Of a batch that several ranks share, each adds n_r dW_r for the n_r samples it has, and the
        sum over the ranks is n_b dW_b: one exchange for each window.
        """
        share = sharing.current()
        if ends_window and self._samples == 0 and share is None:  # a window of one batch
            module.backward(dy)
            return
        samples, whole = weight_of(batch), whole_of(batch)
        one_batch = ends_window and self._samples == 0
        module.backward(dy * (samples / whole if one_batch else samples))
        self._samples += whole
        if ends_window:
            if share is not None:
                share.communicator.allreduce_gradient_(optimizer.flat.grad)
            if not one_batch:
                optimizer.scale_grad(1 / self._samples)
            self._samples = 0

    def is_alone(self, ends_window):
        """Return whether the next batch is a window of its own."""
        return ends_window and self._samples == 0

    def count(self, optimizer, samples, ends_window):
        """Count a batch that went backward elsewhere, as dy · samples unless it was alone."""
        if self.is_alone(ends_window):
            return
        self._samples += samples
        if ends_window:
            optimizer.scale_grad(1 / self._samples)
            self._samples = 0
