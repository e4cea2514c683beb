"""Exercise: forward and backward of a linear layer."""

from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.trials import layer


def build(code, draw):
    """Return a layer and a batch of vectors."""
    n, i, o = draw.size("N"), draw.size("I"), draw.size("O")
    return draw.fill(code.Linear(i, o)), draw.array(n, i)


def build_sequences(code, draw):
    """Return a layer and a batch of sequences of vectors."""
    n, t, i, o = (draw.size(name) for name in "NTIO")
    return draw.fill(code.Linear(i, o)), draw.array(n, t, i)


def build_without_bias(code, draw):
    """Return a layer without bias, and a batch."""
    n, i, o = (draw.size(name) for name in "NIO")
    return draw.fill(code.Linear(i, o, bias=False)), draw.array(n, i)


def build_first(code, draw):
    """Return a model's first layer, which computes no dx, and a batch."""
    n, i, o = (draw.size(name) for name in "NIO")
    return draw.fill(code.Linear(i, o, needs_dx=False)), draw.array(n, i)


EXERCISE = Exercise(
    name="linear",
    chapter=3,
    lessons={"firstlight.nn.linear": ("Linear",)},
    blanks=("Linear.forward", "Linear.backward"),
    trials=(
        layer("Linear", build),
        layer("Linear", build_sequences, "(N, T, I)"),
        layer("Linear", build_without_bias, "(bias=False)"),
        layer("Linear", build_first, "(needs_dx=False)"),
    ),
)
