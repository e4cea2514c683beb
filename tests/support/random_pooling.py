"""Random windows of pooling layers, and images for them."""

import numpy as np

from firstlight.nn.window import Window


def draw(seed):
    """Return a random window, and an image whose sizes are about multiples of kernel and stride."""
    rng = np.random.default_rng(seed)
    kernel = tuple(map(int, rng.integers(1, 4, 2)))
    stride = kernel if seed % 3 == 0 else tuple(map(int, rng.integers(1, 4, 2)))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    dilation = (1, 1) if seed % 2 == 0 else tuple(map(int, rng.integers(1, 3, 2)))
    ceil_mode = bool(rng.integers(0, 2))
    window = Window(kernel, stride, dilation, padding, padding, ceil_mode)
    image = []
    for axis in (0, 1):
        size = int(rng.integers(1, 4)) * (kernel, stride)[int(rng.integers(0, 2))][axis]
        size += int(rng.integers(-1, 2))
        seen = (kernel[axis] - 1) * dilation[axis] + 1 - padding[axis]  # a pixel by each window
        image.append(max(1, size, seen, window.least(axis)))
    return rng, window, image
