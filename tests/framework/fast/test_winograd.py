"""Winograd's convolutions: the lesson's results and NaN, from any memory and on any threads."""

import copy
import importlib

import numpy as np
import pytest
from random_convolutions import passes
from threadpoolctl import threadpool_limits

from firstlight import nn
from firstlight.fast.blocked import patches
from firstlight.fast.compiled.forms import CompiledConv2d, WinogradConv2d
from firstlight.fast.conditions import three_by_three

pytest.importorskip("numba", reason="needs numba")


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def sample(images, channels=32, out=32, padding=0):
    """A layer, its input and a dy."""
    layer, x = nn.Conv2d(channels, out, 3, padding=padding), random(*images, channels)
    layer.bias.data[...] = random(out)
    return layer, x, random(len(x), *layer.window.positions(images[1:]), out)


def in_float64(layer, x, dy):
    with np.errstate(invalid="ignore"):
        return passes(None, copy.deepcopy(layer).to(dtype="float64"), *map(np.float64, (x, dy)))


@pytest.fixture(params=["whole", "in pieces"])
def _pieces(request, monkeypatch):
    if request.param == "in pieces":
        frame = importlib.import_module("firstlight.fast.compiled.frame")
        monkeypatch.setattr(patches, "FEW", 0)
        monkeypatch.setattr(frame, "FRAME_BYTES", 20_000)
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("layout", ["C", "backwards", "channels first"])
@pytest.mark.parametrize(
    ("images", "channels", "out", "padding"),
    [
        ((3, 6, 9), 32, 64, 0),
        ((2, 13, 8), 64, 32, 1),
        ((5, 4, 3), 32, 32, (3, 0)),
        ((9, 3, 3), 32, 96, 0),
    ],
)
def test_winograd_computes_the_lesson(images, channels, out, padding, layout):
    layer, x, dy = sample(images, channels, out, padding)
    if layout == "backwards":
        x, dy = x[:, ::-1], dy[::-1]
    elif layout == "channels first":
        x, dy = (
            np.ascontiguousarray(a.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1) for a in (x, dy)
        )
    right = in_float64(layer, x, dy)
    for found, one in zip(passes(WinogradConv2d, layer, x, dy), right, strict=True):
        assert found.dtype == "float32"
        assert np.abs(found - one).max() < 2e-6 * max(1, np.abs(one).max())


@pytest.mark.parametrize("channels", [32, 128])
def test_rounding_is_about_that_of_the_sum(channels):
    layer, x, dy = sample((4, 12, 12), channels, 64, 1)
    right = in_float64(layer, x, dy)
    of = {form: passes(form, layer, x, dy) for form in (WinogradConv2d, CompiledConv2d)}
    for one, winograd, tiles in zip(right, *of.values(), strict=True):
        assert np.std(winograd - one) < 2 * np.std(tiles - one)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_spoils_what_it_spoils_in_the_lesson(value, padding):
    layer, plain_x, plain_dy = sample((1, 5, 6), padding=padding)
    for pixel in np.ndindex(5, 6):
        x, dy = plain_x.copy(), plain_dy.copy()
        x[0, *pixel, 3] = value
        dy[0, min(pixel[0], dy.shape[1] - 1), min(pixel[1], dy.shape[2] - 1), 7] = value
        right = in_float64(layer, x, dy)
        for found, one in zip(passes(WinogradConv2d, layer, x, dy), right, strict=True):
            np.testing.assert_array_equal(np.isfinite(found), np.isfinite(one))


def test_nothing_is_written_beside_y():
    from firstlight.fast.compiled.winograd import correlate

    layer, x, _ = sample((3, 7, 5), padding=1)
    around = np.full((5, 9, 7, 40), 7, "float32")
    y = around[1:-1, 1:-1, 1:-1, 4:-4]
    rows, columns = layer.window.axes((7, 5))
    correlate(x, layer.weight.data.reshape(32, -1).T, rows, columns, y, layer.bias.data)
    assert (around == 7).sum() == around.size - y.size
    assert np.abs(y - CompiledConv2d().forward(layer, x)).max() < 1e-5


def test_sums_are_the_same_for_any_number_of_threads():
    layer, x, dy = sample((16, 14, 14), 32, 64, 1)
    found = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append([a.tobytes() for a in passes(WinogradConv2d, layer, x, dy)])
    assert found[0] == found[1] == found[2]


def test_a_convolution_of_no_samples():
    y, dx, dw, _ = passes(WinogradConv2d, *sample((0, 6, 6), padding=1))
    assert y.shape == dx.shape == (0, 6, 6, 32)
    assert not dw.any()


@pytest.mark.parametrize(
    ("taken", "layer", "images"),
    [
        (True, nn.Conv2d(32, 64, 3), (16, 8, 8)),
        (False, nn.Conv2d(32, 64, 3), (8, 8, 8)),
        (False, nn.Conv2d(32, 64, 3), (64, 5, 5)),
        (False, nn.Conv2d(32, 64, 3, stride=2), (16, 8, 8)),
        (False, nn.Conv2d(32, 64, 3, dilation=2), (16, 8, 8)),
        (False, nn.Conv2d(64, 64, 3, groups=2), (16, 8, 8)),
        (False, nn.Conv2d(32, 48, 3), (16, 8, 8)),
        (False, nn.Conv2d(48, 64, 3), (16, 8, 8)),
        (False, nn.Conv2d(32, 64, 5), (16, 8, 8)),
    ],
)
def test_which_convolutions_take_it(taken, layer, images):
    x = random(*images, layer.in_channels)
    assert three_by_three(layer, x) == taken
