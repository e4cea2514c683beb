"""Windows of convolutions and pooling, for the CUDA kernels."""

from firstlight.nn.window import Axis


def geometry(channels: int, image: tuple[int, int], *axes: Axis) -> list[int]:
    """Return the numbers from which the kernels compute the position of windows."""
    numbers = [channels]
    for size, axis in zip(image, axes, strict=True):
        numbers += [size, axis.out, axis.taps, axis.stride, axis.dilation, axis.before]
    return numbers
