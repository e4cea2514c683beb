"""Exercise: functions for arrays of NumPy and of CuPy."""

import numpy as np

from firstlight.tools.course.device_array import DeviceArray
from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import unchanged

ARGUMENTS = {"softmax": "z", "one_hot": "labels", "standardise": "x"}
PLACES = (("NumPy", np.asarray), ("CuPy", DeviceArray))


def run(code, blank, label, array, *arguments):
    """Yield the outputs of a function for an array of NumPy, and for one on the device."""
    for place, put in PLACES:
        before = DeviceArray.copies
        given = put(array.copy())
        result = getattr(code, blank)(given, *arguments)
        copies = DeviceArray.copies - before
        on_device = isinstance(result, DeviceArray)
        yield Output(blank, f"{label} ({place})", result.get() if on_device else result)
        if put is np.asarray:
            yield unchanged(blank, ARGUMENTS[blank], given, array)
        else:
            yield Output(blank, f"type({label}) == type({ARGUMENTS[blank]})", on_device)
            yield Output(blank, f"{label}: get()", copies)


def trial_softmax(code, draw):
    """Run softmax, also on large numbers."""
    z = draw.array(draw.size("N"), draw.size("C"))
    yield from run(code, "softmax", "p", z)
    yield from run(code, "softmax", "p(1000 z)", 1000 * z)


def trial_one_hot(code, draw):
    """Run one_hot on labels; the last class does not occur."""
    n, c = draw.size("N"), draw.size("C", 4)
    yield from run(code, "one_hot", "y", draw.integers(c - 1, n), c)


def trial_standardise(code, draw):
    """Run standardise, also on a constant column and on one of small numbers."""
    x = 3 + 2 * draw.array(draw.size("N", 4), draw.size("D", 3))
    yield from run(code, "standardise", "y", x)
    x = x.copy()
    x[:, 1] = 5
    yield from run(code, "standardise", "y(x[:, 1] = 5)", x)
    x[:, 1] = 1e-6 * draw.array(len(x))
    yield from run(code, "standardise", "y(σ[1] ≈ 1e-6)", x)


def trial_to_numpy(code, draw):
    """Run to_numpy in both places."""
    x = draw.array(draw.size("N"))
    for place, put in PLACES:
        result = code.to_numpy(put(x))
        yield Output("to_numpy", f"type(x) ({place})", type(result).__name__)
        yield Output("to_numpy", f"x ({place})", result)


EXERCISE = Exercise(
    name="array_module",
    chapter=4,
    lessons={
        "firstlight.tools.course.lessons.array_module": (
            "array_module",
            "softmax",
            "one_hot",
            "standardise",
            "to_numpy",
        )
    },
    blanks=("softmax", "one_hot", "standardise", "to_numpy"),
    trials=(trial_softmax, trial_one_hot, trial_standardise, trial_to_numpy),
)
