"""Every layer on the stand-in for a GPU's arrays: with our kernels, emulated, and without them."""

import numpy as np
import pytest
from layer_table import CASES
from standin import installed, kernels

from firstlight import nn
from firstlight.fast.cuda import kernel
from firstlight.support import backend

RANDOM = (nn.Dropout, nn.Dropout2d, nn.MultiHeadAttention)

compiles = pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def passes(layer, inputs, dy):
    """Forward and backward; all results on the host."""
    outputs = layer(*inputs)
    dx = layer.backward(dy)
    parts = [outputs, *(dx if isinstance(dx, tuple) else [dx])]
    parts += [parameter.grad for parameter in layer.parameters()]
    return [None if part is None else np.array(backend.to_host(part)) for part in parts]


def compare(case, dtype, device="cuda:0"):
    rng = np.random.default_rng(3)
    layer = case.make().to(dtype=dtype)
    for parameter in layer.parameters():
        parameter.data[...] += 0.3 * rng.standard_normal(parameter.shape)
    for part in layer.modules():
        if isinstance(part, (nn.Dropout, nn.Dropout2d)) and 0 < part.p < 1:
            part.p = 0.0  # other random numbers on a device: see test_standin_dropout
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


@compiles
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_with_our_kernels(case, dtype, monkeypatch):
    with installed(monkeypatch) as counts:
        compare(case, dtype)
        assert counts.launches


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_in_array_expressions(case, dtype, monkeypatch):
    with installed(monkeypatch, compiled=False):
        one = backend.to_device(np.zeros(1, "float32"), "cuda:0")
        with pytest.warns(RuntimeWarning, match="kernels cannot be compiled"):
            kernel.usable(one)
        compare(case, dtype)
