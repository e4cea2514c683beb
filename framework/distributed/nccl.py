"""NCCLCommunicator: all-reduce between GPUs by NCCL; MPI or TCP transfers everything else.

NCCL is called through `cupy.cuda.nccl`. It has no start-up and no failure detection of its own.
Ranks therefore connect by an id that is gathered from rank 0, and a watchdog ends the job if an
exchange fails or exceeds `TIMEOUT`.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from firstlight.distributed.communicator import Communicator
from firstlight.support import rng
from firstlight.support.array import Array

TIMEOUT = 600.0  # seconds that an exchange may take
PAUSE = 1.0  # seconds between two checks of the watchdog
DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8")


def nccl_problem() -> str | None:
    """Return the reason why NCCL cannot be used, or None."""
    try:
        from cupy.cuda import nccl
    except ImportError:
        return "CuPy is not installed (pip install 'firstlight[cuda12]' or [cuda13])"
    if not nccl.available:
        return "CuPy finds no NCCL (pip install nvidia-nccl-cu12, or -cu13)"
    return None


class NCCLCommunicator(Communicator):
    """Ranks with a GPU each: CuPy arrays by NCCL, NumPy arrays and objects by MPI or TCP.

    The ranks connect at the first exchange of an array, after each has chosen its GPU. An exchange
    is launched on the current stream; the host does not wait for it.

    Parameters
    ----------
    world : MPICommunicator or TCPCommunicator

    References
    ----------
    NVIDIA, "NCCL Developer Guide", creating a communicator, asynchronous errors.
    """

    name = "nccl"

    def __init__(self, world: Communicator) -> None:
        self._world, self._connection, self._pending = world, None, None
        self.rank: int = world.rank
        self.size: int = world.size
        self.local_rank: int = world.local_rank

    def allreduce_(self, array: Array, op: str = "sum") -> None:
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""
        if not hasattr(array, "get"):
            self._world.allreduce_(array, op)
            return
        from cupy.cuda import nccl

        self._exchange("allReduce", array, getattr(nccl, f"NCCL_{op.upper()}"))

    def bcast_(self, array: Array) -> None:
        """Replace an array by that of rank 0, in place."""
        if hasattr(array, "get"):
            self._exchange("broadcast", array, 0)
        else:
            self._world.bcast_(array)

    def gather(self, value: Any) -> list[Any]:
        """Return a list of every rank's value, any Python object, on every rank."""
        return self._world.gather(value)

    def barrier(self) -> None:
        """Wait until every rank has called it."""
        self._world.barrier()

    def abort(self, code: int = 1) -> None:
        """End the processes of all ranks at once, with an exit code."""
        self._world.abort(code)

    def _exchange(self, call: str, array: Array, what: int) -> None:
        """Call NCCL on an array in place; ``what`` is the reduction, or the root."""
        import cupy
        from cupy.cuda import nccl

        if not array.flags.c_contiguous:
            copy = cupy.ascontiguousarray(array)
            self._exchange(call, copy, what)
            array[...] = copy
            return
        if array.dtype.name not in DTYPES:
            raise TypeError(
                f"NCCLCommunicator: expected one of {', '.join(DTYPES)}, got {array.dtype}"
            )
        if self._connection is None:
            self._connect(nccl)
        kind = getattr(nccl, f"NCCL_{array.dtype.name.upper()}")
        place, stream = array.data.ptr, cupy.cuda.get_current_stream()
        getattr(self._connection, call)(place, place, array.size, kind, what, stream.ptr)
        if rng.is_capturing():  # the exchange becomes part of a graph; nothing runs now
            return
        done = cupy.cuda.Event(disable_timing=True)
        done.record(stream)
        self._pending = done, time.monotonic()

    def _connect(self, nccl: Any) -> None:
        import cupy

        unique_id = nccl.get_unique_id() if self.rank == 0 else None
        unique_id = self._world.gather(unique_id)[0]
        self._connection = nccl.NcclCommunicator(self.size, unique_id, self.rank)
        threading.Thread(
            target=self._watch,
            args=(cupy.cuda.runtime.getDevice(),),
            name="firstlight-nccl-watchdog",
            daemon=True,
        ).start()

    def _watch(self, device: int) -> None:
        """End the job if an exchange fails or takes too long, as after the death of a rank."""
        import cupy

        cupy.cuda.Device(device).use()  # a new thread would use GPU 0, and allocate memory there
        while True:
            time.sleep(PAUSE)
            problem = None
            try:
                self._connection.check_async_error()
            except cupy.cuda.nccl.NcclError as error:
                problem = str(error)
            if self._pending is not None:
                done, since = self._pending
                if not done.done and time.monotonic() - since > TIMEOUT:
                    problem = f"an exchange has not ended for {TIMEOUT:.0f} s; is a rank hanging?"
            if problem:
                print(f"rank {self.rank}: NCCL: {problem}", file=sys.stderr, flush=True)
                self._connection.abort()
                self.abort(1)
                return
