"""Faults planted in the kernels: the checker, or a comparison with the lesson, finds each."""

import sys
from contextlib import nullcontext

import numpy as np
import pytest

from firstlight import Parameter, nn, optim
from firstlight.fast.cuda import cupy_ops, kernel
from firstlight.fast.cuda.embedding import CudaEmbedding
from firstlight.support import forms
from firstlight.support.backend import to_device

pytestmark = pytest.mark.gpu
WRONG = "Not equal to tolerance"


def there(x):
    return to_device(x, "cuda:0")


def compare(layer, *inputs):
    """Compare a layer's passes on the device with the lesson's."""
    rng, found = np.random.default_rng(3), []
    layer = layer.to(dtype="float64")
    for put in (np.asarray, there):
        layer.to(device="cpu" if put is np.asarray else "cuda:0")
        layer.zero_grad()
        with forms.only() if put is np.asarray else nullcontext():
            y = layer(*map(put, inputs))
            dy = rng.standard_normal(y.shape) if put is np.asarray and not found else found[0][-1]
            dx = layer.backward(put(dy))
        found.append([y, dx, *(p.grad for p in layer.parameters()), dy])
    for one, other in zip(found[1][:-1], found[0], strict=False):
        np.testing.assert_allclose(one.get(), other, 1e-9, 1e-9)


def numbers(*shape):
    return np.random.default_rng(7).standard_normal(shape)


def layer_norm(width):
    compare(nn.LayerNorm(width), numbers(9, width))


def batch_norm():
    compare(nn.BatchNorm2d(37), numbers(9, 6, 6, 37))


def cross_entropy(classes):
    labels = np.random.default_rng(1).integers(0, classes, 9)
    found = []
    layer, x = nn.CrossEntropyLoss(), numbers(9, classes)
    for put in (np.asarray, there):
        with forms.only() if put is np.asarray else nullcontext():
            loss, dx = layer(put(x), put(labels)), layer.backward(1.0)
            found.append([loss, dx, layer.metrics(put(x), put(labels))["acc"]])
    for one, other in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(one.get(), other, 1e-9, 1e-9)


def column_sums():
    x = numbers(700, 33)
    np.testing.assert_allclose(cupy_ops.column_sums(there(x)).get(), x.sum(axis=0), 1e-9)


def embedding(rows):
    table, index, dy = numbers(rows, 300), np.arange(701) * 7 % rows, numbers(701, 300)
    device = there(table.copy())
    CudaEmbedding.add_rows(device, there(index), there(dy), None)
    np.add.at(table, index, dy)
    np.testing.assert_allclose(device.get(), table, 1e-9, 1e-9)


def adam():
    parameter = Parameter(there(np.ones(300)))
    optim.Adam([parameter]).step()
    parameter.data.get()  # waits for it


def convolution(channels):
    compare(nn.Conv2d(channels, 5, 3, padding=1), numbers(2, 6, 6, channels))


def pooling():
    compare(nn.MaxPool2d(2), numbers(2, 8, 8, 3))


def attention():
    compare(nn.MultiHeadAttention(12, 2, dropout=0.0), numbers(2, 70, 12))


BARRIER_BEFORE = "    __syncthreads();  // all threads have read parts\n"
STORE = (
    "    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;\n    __syncthreads();\n"
)
ROW = "    if (row >= rows) return;\n"
BOUND = "    if (i >= n) return;\n"
# A fault's name: text, its replacement, what the finding says, what is run.
FAULTS = {
    "row_sum: no barrier before the store": (
        "Real parts[THREADS / WARP];\n" + BARRIER_BEFORE,
        "Real parts[THREADS / WARP];\n",
        "no barrier between",
        lambda: layer_norm(1100),
    ),
    "row_sum: no barrier after the store": (
        STORE,
        STORE.replace("    __syncthreads();\n", ""),
        "which no thread has written",
        lambda: layer_norm(1100),
    ),
    "row_sum: shared memory too short by one": (
        "__shared__ Real parts[THREADS / WARP];\n" + BARRIER_BEFORE,
        "__shared__ Real parts[THREADS / WARP - 1];\n" + BARRIER_BEFORE,
        "the index 7 of an array",
        lambda: layer_norm(1100),
    ),
    "row_sum: one part too many": (
        "for (int i = 0; i < THREADS / WARP; i++) value += parts[i];",
        "for (int i = 0; i <= THREADS / WARP; i++) value += parts[i];",
        "the index 8 of an array",
        lambda: layer_norm(1100),
    ),
    "row_sum: half of the lanes": (
        "for (int d = WARP / 2; d > 0; d /= 2) value += __shfl",
        "for (int d = WARP / 4; d > 0; d /= 2) value += __shfl",
        WRONG,
        lambda: layer_norm(33),
    ),
    "row_sum: a mask without the upper lanes": (
        "value += __shfl_xor_sync(0xffffffffu,",
        "value += __shfl_xor_sync(0xffffu,",
        "waits for lanes of its warp",
        lambda: layer_norm(33),
    ),
    "layer_norm: no bound on rows": (ROW, "", "past its", lambda: layer_norm(33)),
    "layer_norm: a thread returns before the sums": (
        "    Real sum = 0;\n    for (int d = threadIdx.x; d < width; d += blockDim.x) sum += x",
        "    Real sum = 0;\n    if (threadIdx.x >= width) return;\n"
        "    for (int d = threadIdx.x; d < width; d += blockDim.x) sum += x",
        "waits for lanes of its warp",
        lambda: layer_norm(7),
    ),
    "layer_norm: w by the place in x": (
        "x_hat * w[d]",
        "x_hat * w[start + d]",
        "past its",
        lambda: layer_norm(33),
    ),
    "layer_norm_backward: shift of the warp's own part": (
        "row_sum(sum) / width, stretch",
        "sum / width, stretch",
        WRONG,
        lambda: layer_norm(33),
    ),
    "layer_norm_backward: chunk not cut": (
        "stop = min(first + chunk, rows);",
        "stop = first + chunk;",
        "past its",
        lambda: layer_norm(33),
    ),
    "layer_norm_backward: all chunks in one place": (
        "size_t at = (size_t)blockIdx.x * (1 + has_b) * width + d;",
        "size_t at = d;",
        "no barrier holds between them",
        lambda: compare(nn.LayerNorm(33), numbers(700, 33)),
    ),
    "channel_sum: no barrier before the store": (
        "[WARP];\n" + BARRIER_BEFORE,
        "[WARP];\n",
        "no barrier between",
        batch_norm,
    ),
    "batch_norm: no bound on channels": (
        "first = blockIdx.y * chunk;\n    if (c >= channels) return;",
        "first = blockIdx.y * chunk;",
        "past its",
        batch_norm,
    ),
    "column_sums: no barrier": (
        "[threadIdx.x] = sum;\n    __syncthreads();\n",
        "[threadIdx.x] = sum;\n",
        "which no thread has written",
        column_sums,
    ),
    "column_sums: a barrier behind a return": (
        "[threadIdx.x] = sum;\n    __syncthreads();\n"
        "    if (threadIdx.y > 0 || c >= columns) return;\n",
        "[threadIdx.x] = sum;\n    if (c >= columns) return;\n    __syncthreads();\n"
        "    if (threadIdx.y > 0) return;\n",
        "waits at __syncthreads()",
        column_sums,
    ),
    "column_sums: every warp writes the sum": (
        "if (threadIdx.y > 0 || c >= columns) return;",
        "if (c >= columns) return;",
        "Let only one thread write it",
        column_sums,
    ),
    "column_sums: all chunks in one place": (
        "out + (size_t)blockIdx.y * columns + c",
        "out + c",
        "no barrier holds between them",
        column_sums,
    ),
    "embedding_dw: last chunk not cut": (
        "stop = min(start + chunk, count);",
        "stop = start + chunk;",
        "past its",
        lambda: embedding(65),
    ),
    "embedding_add: no barrier before the next 256": (
        "        __syncthreads();  // all threads have read same\n",
        "",
        "no barrier between",
        lambda: embedding(2000),
    ),
    "adam: no bound": (BOUND, "", "past its", adam),
    "adam: one past the end": (BOUND, BOUND.replace(">=", ">"), "1 past its 300 numbers", adam),
    "im2col: column -1": (
        "column >= 0 && column <",
        "column >= -1 && column <",
        "before its first number",
        lambda: convolution(3),
    ),
    "convolve: a tile is overwritten while others read it": (
        "        __syncthreads();  // all threads have read the tile\n",
        "",
        "no barrier between",
        lambda: convolution(8),
    ),
    "max_pool_dx: no bound on windows": (
        "y / sh >= oh ||",
        "",
        "past its",
        lambda: compare(nn.MaxPool2d(2), numbers(2, 9, 9, 3)),
    ),
    "attend: a tile is read before it is whole": (
        "        read_tile(v_tile, v_head, key, 1);\n        __syncthreads();\n",
        "        read_tile(v_tile, v_head, key, 1);\n",
        "which no thread has written",
        attention,
    ),
    "attend: the next tile too early": (
        "        __syncthreads();\n        read_tile(k_tile",
        "        read_tile(k_tile",
        "no barrier between",
        attention,
    ),
    "attention: rows beyond the last": (
        "i < x.rows && d < x.width",
        "d < x.width",
        "past its",
        attention,
    ),
    "attention: two numbers from an odd place": (
        "pair(&parts[row_of(0)][k])",
        "pair(&parts[row_of(0)][k + 1])",
        "no multiple of them",
        attention,
    ),
}


@pytest.fixture
def found():
    """What the checker finds."""
    if "fake_gpu" not in sys.modules:
        pytest.skip("no real GPU checks accesses to memory")
    from fake_gpu.binding import FAULTS

    yield FAULTS
    FAULTS.clear()
    kernel.forget()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, found, monkeypatch):
    old, new, says, run = FAULTS[name]
    sound, changed = kernel.source, []

    def source(file):
        text = sound(file)
        changed.extend([file] * (old in text))
        return text.replace(old, new, 1)

    run()
    assert not found
    monkeypatch.setattr(kernel, "source", source)
    kernel.forget()
    try:
        run()
    except AssertionError as error:
        found.append(str(error))
    assert changed, "the text is not in a kernel"
    assert says in "\n".join(found)
