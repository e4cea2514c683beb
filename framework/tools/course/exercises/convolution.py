"""Exercise: forward and backward of a convolution, and the matrix of its patches."""

import numpy as np

from firstlight.nn.window import Window
from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import layer, unchanged

IM2COL, FORWARD, BACKWARD = "im2col", "Conv2d.forward", "Conv2d.backward"


def patches(kernel, stride, padding):
    """Return the trial of `im2col` with a window."""
    case = f"(kernel={kernel}, stride={stride}, padding={padding})"

    def trial(code, draw):
        n, c = draw.size("N"), draw.size("C")
        x = draw.array(n, 7, 8, c)
        kept = x.copy()
        window = Window(kernel, stride, (1, 1), padding, padding)
        yield Output(IM2COL, f"P {case}", code.im2col(x, window))
        yield unchanged(IM2COL, f"x {case}", x, kept)

    return trial


def build(stride, padding, **options):
    """Return a function that builds a layer and a batch for it."""

    def of(code, draw):
        n, c, o = draw.size("N"), draw.size("C"), draw.size("O")
        module = code.Conv2d(c, o, (2, 3), stride, padding, **options)
        return draw.fill(module), draw.array(n, 6, 8, c)

    return of


def one_patch(code, draw):
    """Try a kernel as large as the image."""
    module = draw.fill(code.Conv2d(draw.size("C"), draw.size("O"), 4))
    y = module(draw.array(draw.size("N"), 4, 4, module.in_channels))
    yield Output(FORWARD, "y (one patch)", y)
    yield Output(BACKWARD, "dx (one patch)", module.backward(np.ones_like(y)))


EXERCISE = Exercise(
    name="convolution",
    chapter=6,
    lessons={"firstlight.nn.convolution": ("Conv2d",)},
    blanks=(IM2COL, FORWARD, BACKWARD),
    trials=(
        patches((2, 3), (1, 1), (0, 0)),
        patches((2, 3), (1, 2), (0, 0)),
        patches((2, 3), (4, 5), (1, 0)),
        patches((2, 3), (3, 2), (1, 2)),
        layer("Conv2d", build(1, 0)),
        layer("Conv2d", build((4, 5), (1, 0)), "(stride=(4, 5), padding=(1, 0))"),
        layer("Conv2d", build((2, 1), 0, bias=False), "(stride=(2, 1), bias=False)"),
        layer("Conv2d", build(1, 0, needs_dx=False), "(needs_dx=False)"),
        one_patch,
    ),
)
