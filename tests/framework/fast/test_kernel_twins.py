"""Kernels against their twins in NumPy, where no layer's test would tell."""

import numpy as np
import philox
import pytest

import firstlight as fl
from firstlight import Parameter, nn, optim
from firstlight.data._resident import Resident
from firstlight.data.dataset import ArrayDataset
from firstlight.fast.blocked import optimizers as blocked
from firstlight.fast.blocked import pooling
from firstlight.fast.cuda import cupy_ops
from firstlight.fast.cuda.embedding import CudaEmbedding
from firstlight.fast.cuda.images import CudaMaxPool2d
from firstlight.fast.cuda.optimizers import corrections, sum_of_squares
from firstlight.nn.window import Window
from firstlight.optim.loss_scale import LossScale
from firstlight.support import draws
from firstlight.support.backend import to_device
from firstlight.training.means import MeanMetrics

pytestmark = pytest.mark.gpu
RNG = np.random.default_rng(7)
SIZES = [1, 31, 32, 33, 255, 256, 257]  # about a warp and a block


def there(x):
    return to_device(x, "cuda:0")


def same(found, expected, tolerance=1e-11):
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.get(), expected, rtol=tolerance, atol=tolerance)


OPTIMIZERS = {
    "adam": lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1),
    "sgd": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizers_kernel_is_its_rule(name, size):
    values = [RNG.standard_normal((3, 5)), RNG.standard_normal(size), RNG.standard_normal(1)]
    here = [Parameter(value.copy()) for value in values]
    there_ = [Parameter(there(value.copy())) for value in values]
    optimizers = [OPTIMIZERS[name](here), OPTIMIZERS[name](there_)]
    assert isinstance(optimizers[1].flat.data, type(there(values[0])))
    for step in range(4):
        for one, other in zip(here, there_, strict=True):
            one.grad[...] = RNG.standard_normal(one.shape)
            other.grad.set(one.grad.copy())
        for parameters in (here, there_):
            parameters[1].requires_grad = step != 1  # frozen for a step: t differs from then on
        for optimizer in optimizers:
            optimizer.lr *= 0.9
            optimizer.step()
        for one, other in zip(here, there_, strict=True):
            same(other.data, one.data)
    for key, array in optimizers[0].state_dict()["arrays"].items():
        same(optimizers[1].state_dict()["arrays"][key], array)


def test_a_rule_that_is_overridden_is_not_passed_by():
    class Frozen(optim.Adam):
        def update(self, group, t, w, g, m, v):
            w += 1

    parameter = Parameter(there(np.zeros(3)))
    Frozen([parameter]).step()
    assert parameter.data.get().tolist() == [1, 1, 1]


ACTIVATIONS = [nn.ReLU(), nn.LeakyReLU(), nn.GELU(), nn.Sigmoid(), nn.Tanh(), nn.SiLU()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: type(layer).__name__)
def test_an_activation_is_its_lesson(layer, size):
    x, dy = RNG.standard_normal((2, size))
    expected = layer(x), layer.backward(dy)
    same(layer(there(x)), expected[0])
    same(layer.backward(there(dy)), expected[1])


@pytest.mark.parametrize("width", [*SIZES, 700, 1023, 1024, 1025])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 257])
def test_layer_norm_is_its_lesson(width, rows):
    layer = nn.LayerNorm(width).to(dtype="float64")
    for parameter in layer.parameters():
        parameter.data[...] = RNG.standard_normal(width)
    x, dy = RNG.standard_normal((2, rows, width))
    found = []
    for put in (np.asarray, there):
        layer.to(device="cpu" if put is np.asarray else "cuda:0")
        layer.zero_grad()
        y = layer(put(x))
        found.append([y, layer.backward(put(dy)), *(p.grad.copy() for p in layer.parameters())])
    for one, other in zip(found[1], found[0], strict=True):
        same(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("affine", [{}, {"bias": False}, {"elementwise_affine": False}])
@pytest.mark.parametrize("width", [1, 33, 1100])
def test_layer_norm_adds_a_residual_sum_in_its_kernels(width, affine, dtype, counts):
    layer, tolerance = nn.LayerNorm(width, **affine), 1e-11 if dtype == "float64" else 2e-4
    x, branch, dy, dh = RNG.standard_normal((4, 5, 7, width)).astype(dtype)
    branch[0, 0, 0], dh[1, 2, 0] = np.nan, np.inf
    found = []
    for device, put in (("cpu", np.asarray), ("cuda:0", there)):
        layer.to(device=device, dtype=dtype)
        layer.zero_grad()
        transposed = put(branch.swapaxes(0, 1).copy()).swapaxes(0, 1)
        launches = counts["launches"]
        h, y = layer.forward_sum(put(x), transposed)
        given = put(dy), put(dh[:, :, ::-1].copy())[:, :, ::-1]
        dx = layer.backward_sum(*given)
        found.append([h, y, dx, *(p.grad.copy() for p in layer.parameters())])
    assert counts["launches"] - launches <= 4 + 2 * len(layer.parameters())  # two of them copies
    for one, other in zip(found[1], found[0], strict=True):
        same(one, other, tolerance)


def test_a_sum_is_the_lessons_where_a_tool_watches_the_layer():
    layer, seen = nn.LayerNorm(4).to(device="cuda:0"), []
    x, dy = (there(RNG.standard_normal((3, 4)).astype("float32")) for _ in range(2))
    expected = layer.forward_sum(x, dy)[1].get(), layer.backward_sum(dy, x).get()
    forward, backward = layer.forward, layer.backward
    layer.forward = lambda h: seen.append("forward") or forward(h)
    layer.backward = lambda d: seen.append("backward") or backward(d)
    found = layer.forward_sum(x, dy)[1], layer.backward_sum(dy, x)
    assert seen == ["forward", "backward"]
    for one, other in zip(found, expected, strict=True):
        same(one, other, 1e-6)
    layer.forward_sum(x, dy)
    del layer.backward
    np.testing.assert_array_equal(layer.backward(dy).get() + x.get(), expected[1])


@pytest.mark.parametrize("denominator", [3, None, np.array(3), np.array(3, "int32"), np.array(0.5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_on_the_device_are_those_on_the_host(dtype, denominator, counts):
    means = [MeanMetrics(), MeanMetrics()]
    for put, one in zip((np.asarray, there), means, strict=True):
        for value in np.array([0.25, 7, 1e-3], dtype):
            d = put(denominator) if isinstance(denominator, np.ndarray) else denominator
            one.add({"loss": put(value), "acc": 1.0}, 5, {"loss": d})
    assert means[1].state_dict() == means[0].state_dict()
    assert counts["launches"]


def test_of_equal_pixels_the_first_is_the_largest_and_nan_is_larger():
    x = np.zeros((1, 4, 4, 1))
    x[0, 2, 3], x[0, 0, 1] = np.nan, 2.0
    window = Window((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))
    y, place = pooling.max_pool2d(x, window)
    found, found_place = CudaMaxPool2d.largest(there(x), window)
    np.testing.assert_array_equal(found.get(), y)
    np.testing.assert_array_equal(found_place.get(), place)
    assert place[0, :, :, 0].tolist() == [[1, 0], [0, 1]]


def test_of_pixels_that_are_all_minus_infinity_the_first_in_the_image_is_the_largest():
    x = np.full((1, 4, 5, 1), -np.inf)
    window = Window((3, 3), (3, 2), (1, 1), (1, 1), (1, 1))
    y, place = pooling.max_pool2d(x, window)
    assert place[0, :, :, 0].tolist() == [[4, 3, 3], [1, 0, 0]]
    _, found_place = CudaMaxPool2d.largest(there(x), window)
    np.testing.assert_array_equal(found_place.get(), place)


def test_places_of_large_windows_do_not_fit_into_a_byte():
    x = np.zeros((1, 20, 20, 1))
    x[0, 19, 18, 0] = 1.0
    layer = nn.MaxPool2d(20)
    y = layer(there(x))
    same(layer.backward(y), x)


@pytest.mark.parametrize("rows", [0, *SIZES, 5000])
@pytest.mark.parametrize("columns", [1, 31, 32, 33, 257])
def test_sums_in_two_stages(rows, columns):
    x = RNG.standard_normal((rows, columns))
    same(cupy_ops.column_sums(there(x)), x.sum(axis=0))
    total = there(np.ones((2, columns)).T)[:, 0]  # not contiguous
    for out in (total, there(np.ones(columns))):
        cupy_ops.add_column_sums(there(x), out)
        same(out, 1 + x.sum(axis=0))
    for first in (there(np.ones((2, columns)).T)[:, 0], there(np.ones(columns))):
        outs = first[: columns // 2], first[columns // 2 :]
        cupy_ops.add_column_sums(there(x), *outs)
        same(first, 1 + x.sum(axis=0))


@pytest.mark.parametrize(
    ("vocabulary", "count"),
    [(5, 3000), *((v, n) for v in (5, 2000) for n in (0, 7, 255, 256, 257))],
)  # the table is small or large
@pytest.mark.parametrize("skip", [None, 2])
def test_rows_of_the_same_index_are_added(vocabulary, count, skip):
    table, index = RNG.standard_normal((vocabulary, 6)), RNG.integers(0, vocabulary, count)
    index[1::7] = 2
    values = RNG.standard_normal((count, 6))
    device_table = there(table.copy())
    CudaEmbedding.add_rows(device_table, there(index), there(values), skip)
    for i, row in zip(index, values, strict=True):
        if i != skip:
            table[i] += row
    same(device_table, table)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_batch_is_gathered_and_scaled(dtype, size):
    x, places = RNG.integers(0, 256, (9, size)).astype(dtype), np.array([8, 0, 8, 3])
    here, device = (Resident(ArrayDataset(x), None, name) for name in ("cpu", "cuda:0"))
    expected = here.take_scaled(x, places, 0.25)
    same(device.take_scaled(device.arrays[0], there(places), 0.25), expected)


@pytest.mark.parametrize("size", [*SIZES, 40_000])
@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1)]
)
def test_sums_of_squares_are_made_in_double_precision(dtype, scale, size):
    x = (scale * RNG.standard_normal(size)).astype(dtype)
    expected = (x.astype("float64") ** 2).sum()
    assert blocked.sum_of_squares(x) == pytest.approx(expected, rel=1e-6)
    found = sum_of_squares(there(x))
    assert found.dtype == "float64"
    assert float(found) == pytest.approx(expected, rel=1e-12)


def loss_scales(dtype="float32", scale=8.0):
    """Return a loss scale on the CPU, and the same on the device."""
    made = [LossScale(optim.SGD([Parameter(put(np.zeros(3, dtype)))])) for put in (np.copy, there)]
    for one in made:
        one.scale[...] = scale
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [None, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("size", SIZES)
def test_a_gradient_is_unscaled_and_judged(size, bad, dtype):
    g, (here, device) = RNG.standard_normal(size).astype(dtype), loss_scales(dtype)
    if bad is not None:
        g[-1] = bad
    device_g = there(g.copy())
    for one in (here, device):
        one.counts[...] = 1
    here.unscale(g)
    device.unscale(device_g)
    assert here.counts.tolist() == device.counts.get().tolist() == [int(bad is not None), 1, 1]
    np.testing.assert_array_equal(device_g.get(), g)


def test_the_next_scale_is_its_twins(monkeypatch):
    monkeypatch.setattr(LossScale, "growth_interval", 4)
    here, device = loss_scales(scale=2.0**125)
    seen = []
    for step in range(40):
        here.counts[0] = device.counts[0] = int(step in (20, 21, 30))
        with np.errstate(over="ignore"):
            here.update()
        device.update()
        assert device.counts.get().tolist() == here.counts.tolist()
        assert float(device.scale) == float(here.scale)
        seen.append(float(here.scale))
    assert max(seen) == 2.0**127, "it must stay finite"
    assert here.counts[2] == 3


def test_adams_factors_leave_out_the_steps_that_were_left_out():
    for bad, skipped in ((0, 0), (1, 3)):
        counts = there(np.array([bad, 9, skipped], "int32"))
        found = corrections(there(np.zeros(1)), counts, 0.01, 0.9, 0.999, 10)
        t = 10 - skipped
        expected = np.array([bad, 0.01 / (1 - 0.9**t), (1 - 0.999**t) ** -0.5])
        same(found, expected, 1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [*((size, 1) for size in SIZES), (7, 37), (257, 4)])
@pytest.mark.parametrize("rows", [None, (3, 1000)])  # of several ranks
def test_dropout_draws_the_same_mask_forward_and_backward(rows, shape, dtype):
    fl.seed_everything(3)
    fl.rng.begin_pass()
    first = 0
    if rows is not None:
        first = rows[0] * shape[1]
        draws.set_rows((rows[0], rows[0] + shape[0], rows[1]))
    x, dy = RNG.standard_normal((2, *shape)).astype(dtype)
    layer = nn.Dropout(0.4)
    try:
        y, dx = layer(there(x)), layer.backward(there(dy))
    finally:
        draws.set_rows(None)
    drawn = philox.uniform(first + x.size, step=1, call=1, seed=3)[first:].reshape(shape)
    m = (drawn >= np.float32(0.4)).astype(dtype)
    same(y, x * (m * x.dtype.type(layer.scale)), 0)
    same(dx, dy * (m * x.dtype.type(layer.scale)), 0)
    layer.p = 1.0
    assert not layer(there(x)).get().any()
    layer.eval()
    assert layer(there(x)).get().tolist() == x.tolist()


class Thrice(nn.Dropout):
    """Three times as much is kept; a forward of its own, which no form replaces."""

    def forward(self, x):
        m = self.draw(x)
        self.save(m)
        return 3 * x * m


def test_a_subclass_of_dropout_draws_its_mask_on_the_device(counts):
    fl.seed_everything(3)
    fl.rng.begin_pass()
    waits = counts["waits"]
    y = Thrice(0.4)(there(np.ones((70, 10))))
    assert counts["waits"] == waits
    drawn = philox.uniform(700, step=1, call=1, seed=3).reshape(70, 10)
    np.testing.assert_array_equal(y.get(), 3 * (drawn >= np.float32(0.4)))


def test_philox_gives_its_known_words():
    words = philox.philox(np.zeros((4, 1), "uint32"), (0, 0))[:, 0]
    assert list(map(hex, words)) == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
