"""What is the same on a GPU and on the CPU: layers, graphs, uploads."""

import numpy as np
from layer_table import CASES, Case

import firstlight as fl
from firstlight import nn
from firstlight.support import backend
from firstlight.support.backend import load_cupy, to_device, using

RANDOM = (nn.Dropout, nn.Dropout2d, nn.MultiHeadAttention)


def passes(layer, inputs, dy):
    """Forward and backward; all results on the host."""
    outputs = layer(*inputs)
    dx = layer.backward(dy)
    parts = [outputs, *(dx if isinstance(dx, tuple) else [dx])]
    parts += [parameter.grad for parameter in layer.parameters()]
    return [None if part is None else np.array(backend.to_host(part)) for part in parts]


def compare_devices(case, dtype, device="cuda:0"):
    """Compare a layer's outputs and gradients on a device with those on the CPU."""
    rng = np.random.default_rng(3)
    layer = case.make().to(dtype=dtype)
    for parameter in layer.parameters():
        parameter.data[...] += 0.3 * rng.standard_normal(parameter.shape)
    for part in layer.modules():
        if isinstance(part, (nn.Dropout, nn.Dropout2d)) and 0 < part.p < 1:
            part.p = 0.0  # other random numbers on a device: see test_kernel_twins.py
        if hasattr(part, "dropout") and isinstance(part.dropout, float):
            part.dropout = 0.0
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs(rng)]
    y = layer(*inputs)
    dy = 1.5 if np.ndim(y) == 0 else rng.standard_normal(y.shape).astype(dtype)
    layer.train()
    expected = passes(layer, inputs, dy)
    layer.zero_grad()
    for part in layer.modules():
        for name, value in vars(part).items():
            if name.startswith("running") and value is not None:
                value.data[...] = 0 if name.endswith("mean") else 1
    layer.to(device=device)
    moved = [backend.to_device(x, device) for x in inputs]
    found = passes(layer, moved, dy if isinstance(dy, float) else backend.to_device(dy, device))
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
        else:
            assert one.dtype == other.dtype
            # Sums of many numbers that cancel are as exact as the numbers are large.
            size = max(1, np.abs(other).max(initial=0))
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * size)


class Masked(fl.Module):
    """Attention with a mask that lies on the device."""

    def __init__(self, dtype):
        self.attention = nn.MultiHeadAttention(8, 2, dropout=0.2)
        self.mask = fl.Buffer(np.tril(np.ones((5, 5))).astype(dtype))

    def forward(self, x):
        return self.attention(x, None, self.mask.data)

    def backward(self, dy):
        return self.attention.backward(dy)


FROM_HOST = {  # their masks come from there each time, which no capture allows
    "MultiHeadAttention, boolean mask",
    "MultiHeadAttention, additive mask of heads",
    "MultiHeadAttention, cross, masked",
    "TransformerDecoderLayer, {}",
    "TransformerDecoderLayer, {'norm_first': True}",
    "TransformerDecoderLayer, {'recompute': True}",
}
CAPTURE_CASES = [
    *(
        case
        for case in CASES
        # NTXentLoss computes products of CuPy, which cannot be captured.
        if case.name not in FROM_HOST and not case.name.startswith("NTXentLoss")
    ),
    *(
        Case(
            f"a mask on the device, {dtype}",
            lambda d=dtype: Masked(d),
            lambda rng: rng.random((3, 5, 8)),
        )
        for dtype in ("bool", "float32")
    ),
    Case("GRU, 12 steps", lambda: nn.GRU(3, 4), lambda rng: rng.random((2, 12, 3))),
]


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


def compare_captured(case):
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
        # Before: memory that is free after the capture may be what the graph works in.
        buffers = [(buffer, buffer.data.copy()) for _, buffer in layer.named_buffers()]
        graph, results = capture(work)
        for array, x in zip(fixed, second, strict=True):
            array[...] = to_device(x, "cuda:0")
        layer.zero_grad()
        graph.launch(load_cupy().cuda.get_current_stream())
        parameters = [parameter.grad for parameter in layer.parameters()]
        found = on_host([*results, *parameters])
        for buffer, before in buffers:
            buffer.data[...] = before
        layer.zero_grad()
        expected = on_host([*work(), *parameters])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def upload_batches(count=7):
    """Batches of several kinds of arrays, the last one smaller, and one in between larger."""
    rng = np.random.default_rng(0)
    for index in range(count):
        n = 2 if index == count - 1 else 6 if index == 3 else 4
        x = rng.standard_normal((n, 3))  # float64, turned into the model's dtype
        yield x, {"label": rng.integers(0, 5, n), "mask": rng.random((n, 2)) > 0.5}
