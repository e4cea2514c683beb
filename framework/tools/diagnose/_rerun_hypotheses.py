"""Hypotheses that run a module again: on other inputs, another dy, or without earlier forwards.

They show what backward uses in place of the right values: another forward's mask or cache, one
sample instead of all, another slope.
"""

from collections.abc import Callable

import numpy as np

from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.state import children
from firstlight.tools.diagnose.arrays import is_float, is_integer
from firstlight.tools.diagnose.bench import Bench
from firstlight.tools.diagnose.gradients import Gradient, agrees, probe

Explanation = tuple[str, str]  # kind of a finding, and what is wrong
Remake = Callable[..., Bench]
SAMPLES = 12  # that are tried one by one
SHOWN = 1e-3  # relative difference of slopes that counts


def backward_draws_random_numbers(
    bench: Bench, wrong: Gradient, remake: Remake
) -> Explanation | None:
    """Backward draws random numbers of its own: a mask that forward never saw."""
    states = []

    def note():
        own = [g.bit_generator.state for g, _ in bench.state.generators]
        states.append((own, randomness.state_dict()))

    bench.backward(between=note)
    note()
    if states[0] == states[1]:
        return None
    return "stale-mask", "backward draws a new random mask instead of the one of forward"


def not_linear_in_dy(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It is not proportional to dy."""
    other = bench.backward(-2 * bench.dy)[wrong.name]
    if np.allclose(other, -2 * wrong.analytic, rtol=1e-6, atol=1e-12):
        return None
    if np.allclose(other, wrong.analytic, rtol=1e-6):
        return "chain-rule", "it does not depend on dy: multiply by dy, as the chain rule says"
    if np.allclose(other, 4 * wrong.analytic, rtol=1e-6):
        return "chain-rule", "dy enters twice"
    return "chain-rule", "it is not proportional to dy; every term has dy as a factor, once"


def stale_cache(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It is right without an earlier forward, of which something is left."""
    if not agrees(remake(fresh=True), wrong.name):
        return None
    if is_masked(wrong.analytic, bench.dy):
        return "stale-mask", "backward uses the mask of an earlier forward"
    return "overwritten-cache", "backward uses values of an earlier forward, not of the latest one"


def same_for_other_inputs(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """A mask stays the same for other inputs and random numbers, where the right one changes."""
    inputs, streams = bench.inputs, bench.state.streams
    try:
        randomness.stream("dropout").random(17)
        bench.state.streams = randomness.state_dict()
        bench.inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in bench.other_inputs]
        changed = slope_changes_alone(bench, wrong)
    finally:
        bench.inputs, bench.state.streams = inputs, streams
    if changed and is_masked(wrong.analytic, bench.dy):
        return "stale-mask", "backward uses the same mask for every forward"
    return None


def forgotten_parameter(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """Dx stays the same when a parameter changes, but forward's slope does not."""
    for name, parameter in bench.trained if wrong.name.startswith("dx") else ():
        original = parameter.data.copy()
        parameter.data[...] = 2 * original + 1
        try:
            changed = slope_changes_alone(bench, wrong)
        finally:
            parameter.data[...] = original
        if changed:
            return "term", f"{name} is forgotten: forward's slope depends on it, dx does not"
    return None


def slope_changes_alone(bench: Bench, wrong: Gradient) -> bool:
    """Return whether forward's derivative on a changed bench is another, but backward's is not."""
    v, before, _ = wrong.probes[0]
    if not np.allclose(bench.backward()[wrong.name], wrong.analytic, rtol=1e-9, atol=1e-12):
        return False
    after = next(bench.derivative(bench.values(wrong.name), v))[0]
    return abs(after - before) > 1e-3 * (abs(after) + abs(before))


def some_samples(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """Only some samples of the batch count."""
    y = bench.y
    if wrong.name.startswith("dx") or np.ndim(y) < 2 or len(y) != len(bench.inputs[0]):
        return None
    rng, right = np.random.default_rng(3), []
    for sample in range(min(len(y), SAMPLES)):
        dy = np.zeros_like(bench.dy)
        dy[sample] = bench.dy[sample]
        gradient = bench.backward(dy)[wrong.name]
        right.append(probe(bench, wrong, rng, dy=dy, analytic=gradient) == "ok")
    if any(right) and not all(right):
        which = ", ".join(str(i) for i, one in enumerate(right) if one)
        return "batch-sum", f"only sample {which} of the batch counts: sum over all of them"
    return None


def repeated_index(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It is right if each index occurs once: `grad[i] += dy` keeps one of those that are equal."""
    indices = bench.inputs[0]
    if wrong.name == "dx" or not is_integer(indices):
        return None
    once = np.unique(indices)
    if len(once) == indices.size or indices.ndim > 2:
        return None
    other = remake(inputs=[once[None] if indices.ndim == 2 else once, *bench.inputs[1:]])
    if not agrees(other, wrong.name):
        return None
    return "not-accumulated", (
        "an index that occurs twice counts once: grad[i] += dy overwrites, np.add.at(grad, i, dy) "
        "adds both"
    )


def passed_through(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """Dx is dy, or a multiple of it: nothing of forward's slope is in it."""
    if wrong.name != "dx" or len(slopes(wrong.analytic, bench.dy)) != 1:
        return None
    if any(True for _ in children(bench.module)):
        return "term", "it is dy, passed through: what its parts return is forgotten"
    return "chain-rule", "it is dy, passed through: the derivative of forward is forgotten"


def slopes(dx: Array, dy: Array) -> Array:
    """Return the distinct values of dx/dy, none where the shapes differ."""
    if np.shape(dx) != np.shape(dy):
        return np.zeros(0)
    return np.unique((dx / np.where(dy == 0, 1, dy)).round(9))


def is_masked(dx: Array, dy: Array) -> bool:
    """Return whether dx is dy times a mask: zeros, and one more value."""
    return len(slopes(dx, dy)) == 2 and 0 in slopes(dx, dy)


def other_slope(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """The slope of an elementwise layer differs from the one that backward uses."""
    x, y, dy = bench.inputs[0], bench.y, bench.dy
    if wrong.name != "dx" or bench.trained or not is_float(x) or np.shape(y) != x.shape:
        return None
    h, original = 1e-6 * (1 + np.abs(x)), x.copy()

    def moved(step):
        x[...] = original + step
        try:
            return bench.forward()
        finally:
            x[...] = original

    one = np.zeros(x.shape)
    one.flat[0] = h.flat[0]
    alone = moved(one) - y
    alone.flat[0] = 0
    if np.abs(alone).max() > 1e-12:  # other outputs change too
        return None
    right, used = (moved(h) - moved(-h)) / (2 * h), wrong.analytic / np.where(dy == 0, 1, dy)
    bad = np.abs(right - used) > SHOWN * (np.abs(right) + np.abs(used)).max()
    if not bad.any():
        return None
    worst = np.unravel_index(np.argmax(np.abs(right - used)), x.shape)
    where = ""
    if not bad.all():
        for side, word in ((original < 0, "x < 0"), (original > 0, "x > 0")):
            where = f" It is wrong for {word} only." if (bad <= side).all() else where
    return "term", (
        f"the derivative of forward differs: at x = {original[worst]:.3g} the slope is "
        f"{right[worst]:.3g}, and backward multiplies dy by {used[worst]:.3g}.{where}".rstrip(".")
    )
