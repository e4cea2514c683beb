"""Guesses about what backward uses of another forward: its mask, its cache."""

import numpy as np

from firstlight.support import rng as randomness
from firstlight.tools.diagnose.gradients import in_order, judge
from firstlight.tools.diagnose.slope import is_masked


def redrawn(bench, wrong, remake):
    """Backward draws random numbers of its own: a mask that forward never saw."""
    states = []

    def note():
        own = [g.bit_generator.state for g, _ in bench.moment.generators]
        states.append((own, randomness.state_dict()))

    bench.backward(between=note)
    note()
    if states[0] == states[1]:
        return None
    return "stale-mask", "backward draws a random mask anew, not the one that forward used"


def stale(bench, wrong, remake):
    """Something is left from an earlier forward: without one before, all is well."""
    try:
        fresh = remake(fresh=True)
        gradient = dict(in_order(fresh.backward()))[wrong.name]
    except Exception:
        return None
    if judge(fresh, wrong.name, gradient, np.random.default_rng(2)).status != "ok":
        return None
    if is_masked(wrong.analytic, bench.dy):
        return "stale-mask", "backward uses the mask of an earlier forward"
    return "overwritten-cache", "backward uses what an earlier forward kept, not the latest one"


def frozen(bench, wrong, remake):
    """It stays the same for other inputs and other random numbers, where the right one changes."""
    v, before, _ = wrong.probes[0]
    inputs, streams = bench.inputs, bench.moment.streams
    try:
        randomness.stream("dropout").random(17)
        bench.moment.streams = randomness.state_dict()
        bench.inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in bench.other_inputs]
        same = np.allclose(bench.backward()[wrong.name], wrong.analytic, rtol=1e-9, atol=1e-12)
        after = next(bench.derivative(bench.values(wrong.name), v))[0]
    finally:
        bench.inputs, bench.moment.streams = inputs, streams
    if not same or abs(after - before) <= 1e-3 * (abs(after) + abs(before)):
        return None
    if is_masked(wrong.analytic, bench.dy):
        return "stale-mask", "backward uses one and the same mask for ever"
    return None
