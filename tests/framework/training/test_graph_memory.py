"""What a capture refuses: memory that is not left, and copies from the host."""

from types import SimpleNamespace

import pytest

from firstlight.training import graph

pytestmark = pytest.mark.forms  # a graph takes products of ours and random numbers drawn on the GPU


def test_a_lack_of_memory_ends_the_capture(monkeypatch):
    class CUDARuntimeError(RuntimeError):
        pass

    def nothing_left(size):
        raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")

    runtime = SimpleNamespace(CUDARuntimeError=CUDARuntimeError)
    cuda = SimpleNamespace(Memory=nothing_left, MemoryPointer=None, runtime=runtime)
    monkeypatch.setattr(graph, "load_cupy", lambda: SimpleNamespace(cuda=cuda))
    with pytest.raises(MemoryError, match="1,024 bytes for a graph: cudaErrorMemoryAllocation"):
        graph._fresh_memory(1024)


def test_a_copy_from_the_host_is_refused_by_name():
    with pytest.raises(RuntimeError, match="the current stream is capturing"):
        graph._no_pinned_memory(8)
