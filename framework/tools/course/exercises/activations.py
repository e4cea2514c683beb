"""Exercise: ReLU and tanh."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import layer


def build_relu(code, draw):
    """Return ReLU and a batch that holds zeros."""
    x = draw.array(draw.size("N", 4), draw.size("F", 4))
    x[1, :2] = 0
    return code.ReLU(), x


def build_tanh(code, draw):
    """Return tanh and a batch."""
    return code.Tanh(), draw.array(draw.size("N", 4), draw.size("F", 4))


def trial_large(code, draw):
    """Run tanh on numbers whose exponential overflows."""
    case = " (x=±1000)"
    module, x = code.Tanh(), 1000 * np.sign(draw.array(draw.size("N"), draw.size("F")))
    yield Output("Tanh.forward", f"y{case}", module(x))
    yield Output("Tanh.backward", f"dx{case}", module.backward(draw.array(*x.shape)))


EXERCISE = Exercise(
    name="activations",
    chapter=3,
    lessons={"firstlight.nn.relu": ("ReLU",), "firstlight.nn.sigmoid": ("Tanh",)},
    blanks=("ReLU.forward", "ReLU.backward", "Tanh.forward", "Tanh.backward"),
    trials=(layer("ReLU", build_relu), layer("Tanh", build_tanh), trial_large),
)
