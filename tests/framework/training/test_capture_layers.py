"""Every layer's forward and backward captured as a graph, on the stand-in; those that cannot be."""

from types import SimpleNamespace

import pytest
from device_comparisons import CAPTURE_CASES, compare_captured
from standin import installed, kernels

from firstlight.training import graph

pytestmark = [  # a graph takes products of ours and random numbers drawn on the GPU
    pytest.mark.forms,
    pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels"),
]


@pytest.fixture
def device(monkeypatch):
    with installed(monkeypatch) as counts:
        yield counts


@pytest.mark.slow  # tests/gpu has it too, which CI runs on the real CuPy
@pytest.mark.parametrize("case", CAPTURE_CASES, ids=lambda case: case.name)
def test_a_captured_layer_does_what_it_does_uncaptured(case, device):
    compare_captured(case, lambda: device.synchronisations)


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
