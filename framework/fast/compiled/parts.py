"""A batch in as many parts as there are cores, each computed by one compiled call."""

from collections.abc import Callable, Sequence
from typing import Any

from firstlight.fast.blocked.parallel import spread, workers
from firstlight.fast.blocked.scratch import scratch
from firstlight.support.array import Array

FLOPS = 2e7  # of a part that is worth waking a thread


def in_parts(function: Callable[[int, int], Any], count: int, flops: float) -> list[Any]:
    """Call ``function(start, stop)`` for a part of the samples per core, the first from 0.

    Parameters
    ----------
    function : callable
    count : int
        Samples.
    flops : float
        Floating-point operations for all of them.
    """
    parts = max(1, min(count, workers(), int(flops / FLOPS)))
    return spread(function, count, max(1, -(-count // parts)))


def sum_in_parts(
    function: Callable[..., None], count: int, flops: float, sums: Sequence[Array]
) -> None:
    """Call ``function(start, stop, share, *sums)`` for a part of the samples per core.

    The function sets each of its sums to what the samples contribute + share · itself. The first
    part adds to ``sums``, the others to memory of their own, which is added to ``sums`` at the end:
    the result depends on the number of cores, but not on which is the fastest.
    """

    def part(start, stop):
        if start == 0:
            function(start, stop, 1.0, *sums)
            return ()
        own = [scratch(f"sum {n} from {start}", s.shape, s) for n, s in enumerate(sums)]
        function(start, stop, 0.0, *own)
        return own

    for own in in_parts(part, count, flops)[1:]:
        for total, found in zip(sums, own, strict=True):
            total += found
