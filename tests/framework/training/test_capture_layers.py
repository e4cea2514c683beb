"""Every layer's forward and backward captured as a graph, on the stand-in; those that cannot be."""

from types import SimpleNamespace

import numpy as np
import pytest
from layer_table import CASES
from standin import installed, kernels

import firstlight as fl
from firstlight import nn
from firstlight.support import backend
from firstlight.support.backend import load_cupy, to_device, using
from firstlight.training import step

pytestmark = pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")
ON_HOST = "asarray: the current stream is capturing"  # the mask comes from there each time
UNCAPTURED = {
    "MultiHeadAttention, boolean mask": ON_HOST,
    "MultiHeadAttention, additive mask of heads": ON_HOST,
    "MultiHeadAttention, cross, masked": ON_HOST,
    "TransformerDecoderLayer, {}": ON_HOST,
    "TransformerDecoderLayer, {'norm_first': True}": ON_HOST,
    "TransformerDecoderLayer, {'recompute': True}": ON_HOST,
}


class Masked(fl.Module):
    """Attention with a mask that lies on the device."""

    def __init__(self, dtype):
        self.attention = nn.MultiHeadAttention(8, 2, dropout=0.2)
        self.mask = fl.Buffer(np.tril(np.ones((5, 5))).astype(dtype))

    def forward(self, x):
        return self.attention(x, None, self.mask.data)

    def backward(self, dy):
        return self.attention.backward(dy)


Case = type(CASES[0])
CASES += [
    Case(
        f"a mask on the device, {dtype}",
        lambda d=dtype: Masked(d),
        lambda rng: rng.random((3, 5, 8)),
    )
    for dtype in ("bool", "float32")
]
CASES.append(Case("GRU, 12 steps", lambda: nn.GRU(3, 4), lambda rng: rng.random((2, 12, 3))))


@pytest.fixture
def device(monkeypatch):
    with installed(monkeypatch) as counts:
        yield counts


def capture(work):
    """Return the graph of what ``work`` launches, and what it returns."""
    stream = load_cupy().cuda.get_current_stream()
    fl.rng.capturing(True)
    stream.begin_capture()
    try:
        results = work()
    finally:
        fl.rng.capturing(False)
        graph = stream.end_capture()
    return graph, results


def on_host(parts):
    parts = [p for part in parts for p in (part if isinstance(part, tuple) else (part,))]
    return [None if p is None else np.array(backend.to_host(p)) for p in parts]


def compare(case, waits=lambda: 0):
    """Run a layer from a graph and launch by launch, on the same numbers."""
    rng = np.random.default_rng(3)
    layer = case.make().to(dtype="float32", device="cuda:0")
    first, second = (
        [x.astype("float32") if x.dtype.kind == "f" else x for x in case.inputs(rng)]
        for _ in range(2)
    )
    with using("cuda:0"):
        fixed = [to_device(x, "cuda:0") for x in first]
        y = layer(*fixed)
        dy = 1.5
        if y.ndim:
            dy = to_device(rng.standard_normal(y.shape, "float32"), "cuda:0")

        def work():
            fl.rng.begin_call()
            return layer(*fixed), layer.backward(dy)

        layer.train()
        work()  # the first time compiles
        waited = waits()
        if case.name in UNCAPTURED:
            with pytest.raises(RuntimeError, match=UNCAPTURED[case.name]):
                capture(work)
            return
        # Before: memory that is free after the capture may be what the graph works in.
        buffers = [(buffer, buffer.data.copy()) for _, buffer in layer.named_buffers()]
        graph, results = capture(work)
        for array, x in zip(fixed, second, strict=True):
            array[...] = to_device(x, "cuda:0")
        layer.zero_grad()
        graph.launch(load_cupy().cuda.get_current_stream())
        assert waits() == waited
        parameters = [parameter.grad for parameter in layer.parameters()]
        found = on_host([*results, *parameters])
        for buffer, before in buffers:
            buffer.data[...] = before
        layer.zero_grad()
        expected = on_host([*work(), *parameters])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_captured_layer_does_what_it_does_uncaptured(case, device):
    compare(case, lambda: device.synchronisations)


def test_a_lack_of_memory_ends_the_capture(monkeypatch):
    class CUDARuntimeError(RuntimeError):
        pass

    def nothing_left(size):
        raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")

    runtime = SimpleNamespace(CUDARuntimeError=CUDARuntimeError)
    cuda = SimpleNamespace(Memory=nothing_left, MemoryPointer=None, runtime=runtime)
    monkeypatch.setattr(step, "load_cupy", lambda: SimpleNamespace(cuda=cuda))
    with pytest.raises(MemoryError, match="1,024 bytes for a graph: cudaErrorMemoryAllocation"):
        step._fresh_memory(1024)


def test_a_copy_from_the_host_is_refused_by_name():
    with pytest.raises(RuntimeError, match="the current stream is capturing"):
        step._no_pinned_memory(8)
