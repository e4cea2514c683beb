"""Gradient accumulation: one optimizer step from the gradients of several batches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.distributed import sharding
from firstlight.distributed.sharding import weight_of
from firstlight.support.arguments import parse_count
from firstlight.support.batches import mapped
from firstlight.training.means import add_to, on_device, zeroed

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.support.step_output import StepOutput


class Accumulation:
    """Accumulate the gradients of a window of batches, and average them.

    A batch's loss is L_b = S_b / D_b, a sum and its denominator. The denominator is the number of
    samples unless the step gives another. If dW_b is the gradient of L_b, the gradient of the
    window's loss Σ_b S_b / Σ_b D_b is::

        Σ_b D_b dW_b / Σ_b D_b

    Thus k batches give the gradient of one batch that holds all their samples. The same holds for
    the shards of a batch on several ranks. If the loss is a sum, its denominator is None and the
    gradient is Σ_b dW_b.

    Parameters
    ----------
    batches : int or dict of int to int
        Batches in a window; or a schedule ``{epoch: batches}``, in which each number holds from
        its epoch (counted from 1) on. Before the first entry a window is one batch.

    Raises
    ------
    TypeError, ValueError
        Numbers that are not whole, or below 1; an empty schedule.

    Examples
    --------
    >>> from firstlight.training.accumulation import Accumulation
    >>> accumulation = Accumulation({1: 8, 5: 4})
    >>> [accumulation.batches(epoch) for epoch in (1, 4, 5, 99)]
    [8, 8, 4, 4]
    """

    schedule: dict[int, int]

    def __init__(self, batches: int | dict[int, int]) -> None:
        schedule = batches if isinstance(batches, dict) else {1: batches}
        if not schedule:
            raise ValueError("accumulate_grad_batches: expected {epoch: batches}, got an empty one")
        self.schedule = {
            parse_count("accumulate_grad_batches: epoch", epoch): parse_count(
                "accumulate_grad_batches", count
            )
            for epoch, count in sorted(schedule.items())
        }
        self._begun, self._sums = False, {}  # of the current window; _sums["loss"] is Σ D_b

    def batches(self, epoch: int) -> int:
        """Return the number of batches in a window of an epoch."""
        starts = list(self.schedule)
        index = bisect_right(starts, epoch)
        return self.schedule[starts[index - 1]] if index else 1

    def steps(self, epochs: int, count: int) -> int:
        """Return the number of windows in some epochs of ``count`` batches each."""
        starts = [min(start, epochs + 1) for start in (1, *self.schedule, epochs + 1)]
        return sum(
            (following - start) * -(-count // self.batches(start))
            for start, following in pairwise(starts)
        )

    def windows(self, epoch: int, count: int) -> Callable[[int], bool]:
        """Return a function of a batch's index (from 0): True if the batch ends a window."""
        self._begin()
        batches = self.batches(epoch)
        return lambda index: index + 1 == count or (index + 1) % batches == 0

    def backward(
        self,
        module: Module,
        optimizer: Optimizer,
        dy: Any,
        output: StepOutput,
        batch: Any,
        ends_window: bool,
    ) -> None:
        """Run the backward; at a window's end ``grad`` holds the gradient of the window's loss.

        If several ranks share the batch, rank r adds D_r dW_r. The gradients and the D_r are
        all-reduced once for each window.
        """
        samples = weight_of(batch)
        alone = self.is_alone(ends_window)
        module.backward(dy if alone else self.weighted(dy, output, samples))
        self.count(optimizer, output, samples, ends_window)

    def is_alone(self, ends_window: bool) -> bool:
        """Return whether the next batch, of a single rank, is a window of its own."""
        return ends_window and not self._begun and sharding.current() is None

    def weighted(self, dy: Any, output: StepOutput, samples: int) -> Any:
        """Return D_b dy, so that gradients can be summed; a D_b on the device is summed there."""
        part = _denominator(output, samples)
        if part is None:
            return dy if samples else mapped(lambda g: 0 * g, dy)
        if on_device(part):
            add_to(self._sums, "loss", part)
            return mapped(lambda g: g * part.astype(g.dtype), dy)
        return mapped(lambda g: g * float(part), dy)

    def count(
        self, optimizer: Optimizer, output: StepOutput, samples: int, ends_window: bool
    ) -> None:
        """Count a batch after its backward, with `weighted` dy unless it was alone.

        At a window's end the gradient is summed over the ranks, and divided.
        """
        if self.is_alone(ends_window):
            return
        self._begun, part = True, _denominator(output, samples)
        if part is not None and not on_device(part):
            add_to(self._sums, "loss", part)
        if ends_window:
            shard = sharding.current()
            if shard is not None:
                shard.communicator.allreduce_gradient_(optimizer.flat.grad)
            self._divide(optimizer, output, shard)

    def _divide(self, optimizer, output, shard):
        """Divide the gradient by Σ D_b over the window, and begin the next one.

        If Σ D_b is 0, the gradient stays 0.
        """
        if _denominator(output, 1) is not None:
            total, grad = self._sums["loss"], optimizer.flat.grad
            if shard is not None:
                array = np.zeros_like(grad, shape=(1,), dtype="float64")
                array += total
                shard.communicator.allreduce_(array)
                total = array[0]
            total = total + (total == 0)  # no `if`: the host would wait for the GPU
            optimizer.scale_grad(1 / total)
        self._begin()

    def _begin(self):
        self._begun, self._sums = False, zeroed(self._sums)


def _denominator(output, samples):
    """Return the denominator of a batch's loss, or of this rank's shard; None if it is a sum.

    A rank without samples computes another rank's, with denominator 0.
    """
    given = output.denominators.get("loss", samples)
    return given if samples or given is None else 0
