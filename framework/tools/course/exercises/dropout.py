"""Exercise: dropout, which is judged by its properties, since the masks are random."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import unchanged

FORWARD, BACKWARD = "Dropout.forward", "Dropout.backward"
N, F = 80, 50  # of the batch


def snapped(share, p, count):
    """Return the expected share that a measured one agrees with; else itself.

    A share of ``count`` random elements has the standard deviation √(p (1 - p) / count).
    """
    close = 6 * (p * (1 - p) / count) ** 0.5
    return next((one for one in (p, 1 - p, 0.0, 1.0) if abs(share - one) <= close), share)


def factor_of(values, of):
    """Return the one factor between two arrays; NaN if there are several."""
    ratios = np.asarray(values, "float64") / of
    same = ratios.size and np.allclose(ratios, ratios.flat[0], rtol=1e-4)
    return float(ratios.flat[0]) if same else np.nan


def far_from_zero(array):
    """Return an array without numbers close to 0."""
    array[...] = np.where(array < 0, array - 1, array + 1)
    return array


def trial_training(code, draw):
    """Run the layer in training mode."""
    p = float(draw.rng.choice([0.2, 0.3, 0.4]))
    layer = code.Dropout(p)
    x = far_from_zero(draw.array(N, F))
    kept = x.copy()
    y = layer(x)
    yield Output(FORWARD, "y.shape", y if y is None else str(np.shape(y)))
    if y is None:
        return
    yield Output(FORWARD, "y.dtype", str(np.asarray(y).dtype))
    m = np.asarray(y) != 0
    differ = [bool(m.all()) or len(np.unique(one, axis=0)) > 1 for one in (m, m.T)]
    yield Output(FORWARD, "len(np.unique(y != 0, axis=0)) > 1", differ[0])
    yield Output(FORWARD, "len(np.unique(y != 0, axis=1)) > 1", differ[1])
    share = snapped(1 - m.mean(), p, x.size) if all(differ) else np.nan
    yield Output(FORWARD, "mean(y == 0)", share)
    yield Output(FORWARD, "y / x (y != 0)", factor_of(y[m], kept[m]))
    yield unchanged(FORWARD, "x", x, kept)
    dy = far_from_zero(draw.array(N, F))
    kept = dy.copy()
    dx = layer.backward(dy)
    yield Output(BACKWARD, "dx.shape", dx if dx is None else str(np.shape(dx)))
    if dx is None:
        return
    yield Output(BACKWARD, "dx.dtype", str(np.asarray(dx).dtype))
    passed = np.asarray(dx) != 0
    same = bool((passed == m).all()) or share != p  # a wrong y does not tell the mask
    yield Output(BACKWARD, "(dx == 0) == (y == 0)", same)
    zeros = p if same else snapped(1 - passed.mean(), p, x.size)
    yield Output(BACKWARD, "mean(dx == 0)", zeros)
    yield Output(BACKWARD, "dx / dy (dx != 0)", factor_of(dx[passed], kept[passed]))
    dropped = factor_of(dx[~m], kept[~m]) if share == p else 0.0
    yield Output(BACKWARD, "dx / dy (y == 0)", dropped)
    yield unchanged(BACKWARD, "dy", dy, kept)
    other = np.asarray(layer(x)) != 0
    yield Output(FORWARD, "forward(x) != forward(x)", bool((other != m).any()))


def trial_edges(code, draw):
    """Run the layer with p = 0 and p = 1, and in evaluation mode."""
    x, dy = draw.array(4, 5), draw.array(4, 5)
    yield Output(FORWARD, "y (p=1)", code.Dropout(1.0)(x))
    layer = code.Dropout(0.0)
    y = layer(x)
    yield Output(FORWARD, "y (p=0)", y)
    dx = layer.backward(dy)
    yield Output(BACKWARD, "dx (p=0)", dx if np.array_equal(x, y) else dy)
    x = far_from_zero(draw.array(N, F))
    layer = code.Dropout(0.4)
    layer(x)
    y = np.asarray(layer.eval(keep_backward=True)(x))
    yield Output(FORWARD, "y / x (training=False)", factor_of(y, x))
    dy = far_from_zero(draw.array(N, F))
    dx = layer.backward(dy)
    yield Output(BACKWARD, "dx / dy (training=False)", factor_of(dx if (x == y).all() else dy, dy))


EXERCISE = Exercise(
    name="dropout",
    chapter=3,
    lessons={"firstlight.nn.dropout": ("Dropout",)},
    blanks=(FORWARD, BACKWARD),
    trials=(trial_training, trial_edges),
)
