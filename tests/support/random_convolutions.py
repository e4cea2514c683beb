"""Random convolutions, for the tests of their faster forms."""

import numpy as np

from firstlight import nn
from firstlight.nn.window import Window
from firstlight.support import forms


def convolution(seed, dtype="float64"):
    """A random Conv2d, its input and a dy: shapes, window, groups."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    channels, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    if seed % 5 == 0:
        groups = out = channels  # depthwise
    kernel, stride = tuple(rng.integers(1, 5, 2)), tuple(rng.integers(1, 4, 2))
    dilation = tuple(rng.integers(1, 4, 2))
    before, after = tuple(rng.integers(0, 4, 2)), tuple(rng.integers(0, 4, 2))
    window = Window(*(tuple(map(int, p)) for p in (kernel, stride, dilation, before, after)))
    image = [max(1, window.least(axis)) + int(rng.integers(0, 6)) for axis in (0, 1)]
    x = rng.standard_normal((int(rng.integers(1, 4)), *image, channels))
    layer = nn.Conv2d(channels, out, window.kernel, groups=groups).to(dtype=dtype)
    layer.window = window
    layer.weight.data[...] = rng.standard_normal(layer.weight.shape)
    layer.bias.data[...] = rng.standard_normal(out)
    dy = rng.standard_normal((len(x), *window.positions(image), out))
    return layer, x.astype(dtype), dy.astype(dtype)


def transposed(layer, image):
    """The ConvTranspose2d of a Conv2d of (H, W) images, without bias: it maps its dy to its dx."""
    other = nn.ConvTranspose2d(
        layer.out_channels, layer.in_channels, layer.window.kernel, groups=layer.groups, bias=False
    )
    other = other.to(dtype=layer.weight.dtype.name)
    window = layer.window
    least = window.image(window.positions(image))  # a window may end before the image does
    after = [a + n - size for a, n, size in zip(window.after, least, image, strict=True)]
    other.window = window._replace(after=tuple(after))
    other.weight.data[...] = layer.weight.data
    return other


def passes(form, layer, x, dy):
    """Return y, dx, dW and db of a form, whatever its conditions, or of the lesson (None)."""
    layer.zero_grad()
    layer.train()
    if form is None:
        with forms.only():
            y, dx = layer(x), layer.backward(dy)
    else:
        y, dx = form().forward(layer, x), form().backward(layer, dy)
    return [y, dx, *(parameter.grad.copy() for parameter in layer.parameters())]
