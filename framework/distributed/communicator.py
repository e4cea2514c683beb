"""Communicator: operations across the ranks of a training; the base class is a single rank."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight.support.array import Array


class Communicator:
    """Operations across the processes of a training, its *ranks*, for a single rank.

    Subclasses connect several ranks. Every rank must make the same calls in the same order, as each
    call waits for all ranks.

    Attributes
    ----------
    name : str
        "single", "mpi", "tcp" or "nccl".
    rank, size : int
        The index of this rank, from 0, and the number of ranks.
    local_rank : int
        The index among the ranks of this machine; selects the GPU.
    check_every : int
        Steps between two comparisons of the ranks' parameters.

    Examples
    --------
    >>> from firstlight.distributed import Communicator
    >>> alone = Communicator()
    >>> alone.rank, alone.size, alone.gather("here")
    (0, 1, ['here'])
    """

    name: str = "single"
    rank: int = 0
    size: int = 1
    local_rank: int = 0
    check_every: int = 200

    def allreduce_(self, array: Array, op: str = "sum") -> None:
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""

    def allreduce_gradient_(self, array: Array) -> None:
        """Replace a gradient by the sum over all ranks, in place; may be sent in 16 bits."""
        self.allreduce_(array)

    def bcast_(self, array: Array) -> None:
        """Replace an array by that of rank 0, in place."""

    def gather(self, value: Any) -> list[Any]:
        """Return a list of every rank's value, any Python object, on every rank."""
        return [value]

    def barrier(self) -> None:
        """Wait until every rank has called it."""

    def abort(self, code: int = 1) -> None:
        """End the processes of all ranks at once, with an exit code."""
        raise SystemExit(code)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank {self.rank} of {self.size})"


@contextmanager
def on_host(array: Array, gpu_too: bool = False) -> Iterator[Array]:
    """Yield the array, or a contiguous copy in the host's memory, which is written back afterwards.

    With ``gpu_too``, a GPU's array is yielded as it is.
    """
    on_gpu = hasattr(array, "get")
    if array.flags.c_contiguous and (gpu_too or not on_gpu):
        yield array
    elif on_gpu:
        buffer = array.get()
        yield buffer
        array.set(buffer)
    else:
        buffer = np.ascontiguousarray(array)
        yield buffer
        array[...] = buffer
