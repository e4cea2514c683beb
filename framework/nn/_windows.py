"""Windows of convolutions from the arguments of a layer, with their checks."""

from firstlight.nn._checks import pair
from firstlight.nn.window import Window

Size = int | tuple[int, int]


def convolution_window(
    kernel_size: Size, stride: Size, padding: Size | str, dilation: Size
) -> Window:
    """Return the window of a `Conv2d`.

    Raises
    ------
    ValueError
        An argument is no integer, or pair of integers, that is large enough; ``padding`` is
        another word than "same" and "valid", or "same" with a stride.
    """
    kernel = pair("Conv2d", "kernel_size", kernel_size, 1)
    stride = pair("Conv2d", "stride", stride, 1)
    dilation = pair("Conv2d", "dilation", dilation, 1)
    return Window(kernel, stride, dilation, *_zeros_around(padding, kernel, stride, dilation))


def _zeros_around(padding, kernel, stride, dilation):
    """Return the zeros (above, left) and (below, right) of a padding argument."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(
                f'Conv2d: expected stride 1 with padding="same", got stride={stride}; '
                "pass the padding as a number, e.g. kernel_size // 2"
            )
        both = [step * (taps - 1) for taps, step in zip(kernel, dilation, strict=True)]
        before = tuple(zeros // 2 for zeros in both)
        return before, tuple(zeros - first for zeros, first in zip(both, before, strict=True))
    if isinstance(padding, str):
        raise ValueError(
            f'Conv2d: expected padding to be a number, a pair, "same" or "valid", got {padding!r}'
        )
    padding = pair("Conv2d", "padding", padding, 0)
    return padding, padding


def transposed_window(
    kernel_size: Size, stride: Size, padding: Size, output_padding: Size, dilation: Size
) -> Window:
    """Return the window of a `ConvTranspose2d`, which moves over y.

    Raises
    ------
    ValueError
        An argument is no integer, or pair of integers, that is large enough; ``output_padding`` is
        too large.
    """
    kernel = pair("ConvTranspose2d", "kernel_size", kernel_size, 1)
    stride = pair("ConvTranspose2d", "stride", stride, 1)
    dilation = pair("ConvTranspose2d", "dilation", dilation, 1)
    padding = pair("ConvTranspose2d", "padding", padding, 0)
    extra = pair("ConvTranspose2d", "output_padding", output_padding, 0)
    if any(e >= max(steps) for e, *steps in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            "ConvTranspose2d: expected output_padding below stride or dilation, got "
            f"output_padding={extra} with stride={stride} and dilation={dilation}"
        )
    after = (padding[0] - extra[0], padding[1] - extra[1])
    return Window(kernel, stride, dilation, padding, after)
