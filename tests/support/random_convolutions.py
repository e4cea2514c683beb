"""Random convolutions, for the tests of their faster forms."""

import numpy as np

from firstlight import fast


def configuration(seed):
    """A random convolution: shapes, window, groups."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    channels, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    if seed % 5 == 0:
        groups = out = channels  # depthwise
    kernel, stride = tuple(rng.integers(1, 5, 2)), tuple(rng.integers(1, 4, 2))
    dilation = tuple(rng.integers(1, 4, 2))
    before, after = tuple(rng.integers(0, 4, 2)), tuple(rng.integers(0, 4, 2))
    window = fast.Window(*(tuple(map(int, p)) for p in (kernel, stride, dilation, before, after)))
    image = [max(1, window.least(axis)) + int(rng.integers(0, 6)) for axis in (0, 1)]
    x = rng.standard_normal((int(rng.integers(1, 4)), *image, channels))
    w = rng.standard_normal((out, *window.kernel, channels // groups))
    return x, w, rng.standard_normal(out), window, groups, rng


def as_reference(window, groups):
    return {
        "stride": window.stride,
        "padding": tuple(zip(window.before, window.after, strict=True)),
        "dilation": window.dilation,
        "groups": groups,
    }
