"""NCCL: what of it can be checked without a GPU, which is which call gets what.

The stand-ins below note calls. That NCCL then does its work is not shown here.
"""

import queue
import sys
import types

import numpy as np
import pytest

from firstlight.distributed.communicator import Communicator
from firstlight.distributed.nccl import NCCLCommunicator, nccl_problem
from firstlight.support import rng


class GPUArray:
    """As much of a CuPy array as the communicator looks at."""

    def __init__(self, dtype="float32", contiguous=True):
        self.dtype, self.size = np.dtype(dtype), 6
        self.data = types.SimpleNamespace(ptr=4096)
        self.flags = types.SimpleNamespace(c_contiguous=contiguous)
        self.written = None

    def get(self):
        raise AssertionError("an exchange must not copy to the host")

    def __setitem__(self, where, values):
        self.written = values


class Calls(list):
    """NCCL's calls, and a queue of the devices that threads have chosen."""


@pytest.fixture
def calls(monkeypatch):
    """Replace CuPy; returns the list of NCCL's calls."""
    made, chosen = Calls(), queue.SimpleQueue()
    made.chosen = chosen

    class Connection:
        def __init__(self, *arguments):
            made.append(("connect", *arguments))

        def allReduce(self, *arguments):  # noqa: N802 - NCCL's name
            made.append(("allReduce", *arguments))

        def broadcast(self, *arguments):
            made.append(("broadcast", *arguments))

        def check_async_error(self):
            pass

    class Event:
        done = True

        def __init__(self, disable_timing):
            assert disable_timing

        def record(self, stream):
            made.append(("record", stream.ptr))

    nccl = types.ModuleType("cupy.cuda.nccl")
    nccl.available = True
    nccl.NcclCommunicator, nccl.get_unique_id = Connection, lambda: b"an id"
    nccl.NcclError = type("NcclError", (RuntimeError,), {})
    for number, name in enumerate(("FLOAT16", "FLOAT32", "FLOAT64", "INT32", "INT64", "UINT8")):
        setattr(nccl, f"NCCL_{name}", f"type {number}")
    nccl.NCCL_SUM, nccl.NCCL_MAX = "sum", "max"
    cuda = types.ModuleType("cupy.cuda")
    cuda.nccl, cuda.Event = nccl, Event
    cuda.get_current_stream = lambda: types.SimpleNamespace(ptr=77)
    cuda.runtime = types.SimpleNamespace(getDevice=lambda: 1)
    cuda.Device = lambda index: types.SimpleNamespace(use=lambda: chosen.put(index))
    cupy = types.ModuleType("cupy")
    cupy.cuda, cupy.ascontiguousarray = cuda, lambda array: GPUArray(array.dtype)
    for module in (cupy, cuda, nccl):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


class World(Communicator):
    """MPI's part, which notes what it gets."""

    rank, size, local_rank = 0, 4, 0

    def __init__(self):
        self.got = []

    def allreduce_(self, array, op="sum"):
        self.got.append((array, op))

    def bcast_(self, array):
        self.got.append((array, "bcast"))


def test_the_connection_is_made_once_with_the_first_gpu_array(calls):
    world = NCCLCommunicator(World())
    assert calls == []
    array = GPUArray()
    world.allreduce_gradient_(array)
    world.allreduce_(GPUArray("float64"), "max")
    world.bcast_(GPUArray("int64"))
    assert calls == [
        ("connect", 4, b"an id", 0),
        ("allReduce", 4096, 4096, 6, "type 1", "sum", 77),
        ("record", 77),
        ("allReduce", 4096, 4096, 6, "type 2", "max", 77),
        ("record", 77),
        ("broadcast", 4096, 4096, 6, "type 4", 0, 77),
        ("record", 77),
    ]


def test_an_exchange_of_a_graph_is_not_waited_for_while_it_is_captured(calls):
    world = NCCLCommunicator(World())
    rng.capturing(True)
    try:
        world.allreduce_(GPUArray())
    finally:
        rng.capturing(False)
    assert [call[0] for call in calls] == ["connect", "allReduce"]


def test_the_watchdog_looks_at_the_gpu_of_its_rank(calls):
    NCCLCommunicator(World()).allreduce_(GPUArray())
    assert calls.chosen.get() == 1


def test_arrays_of_the_host_go_by_mpi(calls):
    mpi = World()
    world = NCCLCommunicator(mpi)
    one, two = np.zeros(2), np.zeros(3)
    world.allreduce_(one, "max")
    world.bcast_(two)
    assert world.gather("x") == ["x"]
    assert [(id(array), op) for array, op in mpi.got] == [(id(one), "max"), (id(two), "bcast")]
    assert calls == []


def test_an_array_with_gaps_is_exchanged_as_a_copy(calls):
    array = GPUArray(contiguous=False)
    NCCLCommunicator(World()).allreduce_(array)
    assert isinstance(array.written, GPUArray)
    assert [call[0] for call in calls] == ["connect", "allReduce", "record"]


def test_a_dtype_that_nccl_does_not_know_is_an_error(calls):
    with pytest.raises(TypeError, match="expected one of float16, .*, got complex64"):
        NCCLCommunicator(World()).allreduce_(GPUArray("complex64"))


def test_what_stands_in_the_way_is_said(calls, monkeypatch):
    assert nccl_problem() is None
    sys.modules["cupy.cuda.nccl"].available = False
    assert "CuPy finds no NCCL" in nccl_problem()
    monkeypatch.setitem(sys.modules, "cupy.cuda", None)
    assert "CuPy is not installed" in nccl_problem()
