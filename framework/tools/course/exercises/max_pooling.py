"""Exercise: forward and backward of max-pooling."""

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import layer

FORWARD, BACKWARD = "MaxPool2d.forward", "MaxPool2d.backward"


def build(kernel, stride=None, padding=0):
    """Return a function that builds a layer and a batch for it."""

    def of(code, draw):
        x = draw.array(draw.size("N"), 6, 7, draw.size("C"))
        return code.MaxPool2d(kernel, stride, padding), x

    return of


def negative(code, draw):
    """Try an image without a positive pixel, with a border."""
    module = code.MaxPool2d((3, 2), 1, 1)
    x = -1 - abs(draw.array(draw.size("N"), 5, 4, draw.size("C")))
    y = module(x)
    yield Output(FORWARD, "y (x<0, padding=1)", y)
    yield Output(BACKWARD, "dx (x<0, padding=1)", module.backward(draw.array(*y.shape)))


def ties(code, draw):
    """Try windows in which several pixels are the largest."""
    module = code.MaxPool2d((2, 3))
    x = draw.integers(2, draw.size("N"), 6, 6, draw.size("C")).astype(draw.dtype)
    y = module(x)
    yield Output(FORWARD, "y (max=max)", y)
    yield Output(BACKWARD, "dx (max=max)", module.backward(draw.array(*y.shape)))


EXERCISE = Exercise(
    name="max_pooling",
    chapter=6,
    lessons={"firstlight.nn.pooling": ("MaxPool2d",)},
    blanks=(FORWARD, BACKWARD),
    trials=(
        layer("MaxPool2d", build((2, 3))),
        layer("MaxPool2d", build((3, 2), (1, 2)), "(stride=(1, 2))"),
        layer("MaxPool2d", build(3, 2, 1), "(padding=1)"),
        negative,
        ties,
    ),
)
