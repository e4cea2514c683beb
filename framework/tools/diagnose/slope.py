"""Guesses about layers that work number by number, from the slope dx/dy that backward uses."""

import numpy as np

from firstlight.support.state import children
from firstlight.tools.diagnose.bench import is_float

SHOWN = 1e-3  # relative difference of slopes that counts


def is_masked(dx, dy):
    """Return whether dx is dy times a mask: zeros, and one more value."""
    return len(slopes(dx, dy)) == 2 and 0 in slopes(dx, dy)


def slopes(dx, dy):
    """Return the different values of dx/dy, none where the shapes differ."""
    if np.shape(dx) != np.shape(dy):
        return np.zeros(0)
    return np.unique((dx / np.where(dy == 0, 1, dy)).round(9))


def handed_through(bench, wrong, remake):
    """Dx is dy, or a multiple of it: nothing of forward's slope is in it."""
    if wrong.name != "dx" or len(slopes(wrong.analytic, bench.dy)) != 1:
        return None
    if any(True for _ in children(bench.module)):
        return "term", "it is dy, handed through: what its parts give back is forgotten"
    return "chain-rule", "it is dy, handed through: the derivative of forward is forgotten"


def forgotten_parameter(bench, wrong, remake):
    """Dx stays the same when a parameter changes, but forward's slope does not."""
    if not wrong.name.startswith("dx"):
        return None
    v, before, _ = wrong.probes[0]
    for name, parameter in bench.trained:
        original = parameter.data.copy()
        parameter.data[...] = 2 * original + 1
        try:
            same = np.allclose(bench.backward()[wrong.name], wrong.analytic, rtol=1e-9, atol=1e-12)
            after = next(bench.derivative(bench.values(wrong.name), v))[0] if same else before
        finally:
            parameter.data[...] = original
        if abs(after - before) > 1e-3 * (abs(after) + abs(before)):
            return "term", f"{name} is forgotten: forward's slope depends on it, dx does not"
    return None


def another_slope(bench, wrong, remake):
    """Tell forward's slope beside the one that backward uses, for a layer number by number."""
    x, y, dy = bench.inputs[0], bench.y, bench.dy
    if wrong.name != "dx" or bench.trained or not is_float(x) or np.shape(y) != x.shape:
        return None
    h, original = 1e-6 * (1 + np.abs(x)), x.copy()
    one = np.zeros(x.shape)
    one.flat[0] = h.flat[0]
    x[...] = original + one
    alone = bench.forward() - y
    alone.flat[0] = 0
    if np.abs(alone).max() > 1e-12:  # other outputs change too
        x[...] = original
        return None
    sides = []
    for sign in (1, -1):
        x[...] = original + sign * h
        sides.append(bench.forward())
    x[...] = original
    right, used = (sides[0] - sides[1]) / (2 * h), wrong.analytic / np.where(dy == 0, 1, dy)
    bad = np.abs(right - used) > SHOWN * (np.abs(right) + np.abs(used)).max()
    if not bad.any():
        return None
    worst = np.unravel_index(np.argmax(np.abs(right - used)), x.shape)
    where = ""
    if not bad.all():
        for side, word in ((original < 0, "x < 0"), (original > 0, "x > 0")):
            where = f" It is wrong for {word} only." if (bad <= side).all() else where
    return "term", (
        f"the derivative of forward is another: at x = {original[worst]:.3g} the slope is "
        f"{right[worst]:.3g}, and backward multiplies dy by {used[worst]:.3g}.{where}".rstrip(".")
    )
