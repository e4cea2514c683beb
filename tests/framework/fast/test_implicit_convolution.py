"""Convolutions without a matrix of patches, on a GPU."""

import numpy as np
import pytest
from random_convolutions import convolution, passes, transposed

from firstlight import nn
from firstlight.fast.cuda import gemm
from firstlight.fast.cuda.convolution import CudaConv2d
from firstlight.fast.cuda.implicit import ImplicitConv2d, ImplicitConvTranspose2d
from firstlight.support import forms
from firstlight.support.backend import to_device, to_host

pytestmark = pytest.mark.gpu


def on_device(form, layer, *arrays):
    layer = layer.to(device="cuda:0")
    return [to_host(y) for y in passes(form, layer, *(to_device(x, "cuda:0") for x in arrays))]


def compare(layer, x, dy):
    other = transposed(layer, x.shape[1:3])
    for form, one, *arrays in (
        (ImplicitConv2d, layer, x, dy),
        (ImplicitConvTranspose2d, other, dy, x),
    ):
        right = passes(None, one, *arrays)
        for found, expected in zip(on_device(form, one, *arrays), right, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("seed", range(12))
def test_it_computes_the_lesson(seed):
    compare(*convolution(seed))


@pytest.mark.parametrize(
    ("shape", "out", "options"),
    [
        ((2, 9, 8, 16), 68, {"padding": 1}),  # several tiles down and across
        ((2, 7, 7, 8), 12, {"stride": 2, "padding": 1, "groups": 2}),  # four numbers a load
        ((9, 8, 8, 3), 5, {"padding": 1}),  # several chunks of dW
        ((2, 1, 1, 4), 4, {"padding": 1}),  # one pixel
        ((2, 7, 7, 4), 4, {"stride": 4}),  # pixels that no window sees
        ((0, 7, 7, 4), 4, {}),
    ],
)
def test_larger_images_take_several_tiles_and_chunks(shape, out, options):
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(shape[3], out, 3, **options).to(dtype="float64")
    dy = rng.standard_normal((shape[0], *layer.window.positions(shape[1:3]), out))
    compare(layer, rng.standard_normal(shape), dy)


@pytest.mark.parametrize("channels", [1, 4])
def test_weights_that_are_not_finite(channels):
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(channels, 4, 3).to(dtype="float64")
    layer.weight.data[1, 0, 0, 0], layer.weight.data[2, 0, 1, 0] = np.nan, np.inf
    x, dy = rng.standard_normal((2, 6, 6, channels)), rng.standard_normal((2, 4, 4, 4))
    with np.errstate(invalid="ignore"):
        dx = passes(None, layer, x, dy)[1]
        compare(layer, x, dy)
    assert np.isfinite(dx[..., 0]).any(), "at the border, where no window has these weights"


def test_images_that_do_not_start_at_16_bytes():
    layer, rng = nn.Conv2d(4, 4, 3), np.random.default_rng(0)
    x, dy = rng.random((2, 5, 5, 4), "float32"), rng.random((2, 3, 3, 4), "float32")
    right = passes(None, layer, x, dy)
    layer.to(device="cuda:0")
    places = [to_device(np.zeros(a.size + 1, "float32"), "cuda:0")[1:] for a in (x, dy)]
    shifted = [place.reshape(a.shape) for place, a in zip(places, (x, dy), strict=True)]
    for place, a in zip(shifted, (x, dy), strict=True):
        place.set(a)
    for found, expected in zip(passes(ImplicitConv2d, layer, *shifted), right, strict=True):
        np.testing.assert_allclose(to_host(found), expected, rtol=2e-6, atol=2e-6)


def test_one_launch_forward_and_three_backward(counts):
    layer = nn.Conv2d(4, 4, 3).to(device="cuda:0")
    x, dy = (to_device(np.ones((9, n, n, 4), "float32"), "cuda:0") for n in (8, 6))
    with forms.only(ImplicitConv2d):
        before = counts["launches"]
        layer(x)
        assert counts["launches"] == before + 1
        layer.backward(dy)
        assert counts["launches"] == before + 1 + 3


@pytest.mark.parametrize(
    ("kernels", "precision", "form"),
    [
        (256, "32", ImplicitConv2d),
        (257, "32", CudaConv2d),
        (64, "tf32", ImplicitConv2d),
        (65, "bf16", CudaConv2d),
    ],
)
def test_many_kernels_take_cublas(kernels, precision, form):
    layer = nn.Conv2d(1, kernels, 1).to(device="cuda:0")
    with gemm.precision(precision):
        found = forms.choose(
            forms.lesson_of(nn.Conv2d.forward), layer, to_device(np.ones((1, 1, 1, 1)), "cuda:0")
        )
    assert type(found.instance) is form
