"""Gradients through time: how much of the last output's gradient reaches the first input."""

import numpy as np

from firstlight.tools.diagnose.backward import subject
from firstlight.tools.diagnose.bench import as_float64, is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.tuples import leaves

STEPS = 8  # a sequence's, to speak of
FADED = 1e-4  # of the last step's gradient: at the first one it has vanished, or above 1/FADED ...
EACH = 0.35  # ... and what one step then leaves of it, in a network that will hardly recover


def through_time(top, report):
    """Add a line for each module that hands a gradient from the last step to the first.

    Backward gets a dy at the last step alone, and dx is compared along the steps. Exact zeros
    mean that the steps do not see each other, as in convolutions and layers for each position.
    A gradient that fades more slowly than `EACH` a step is a note only: gates and weights of fresh
    recurrent layers do that, and learn.
    """
    looked = set()
    for _, call in top.walk():
        unrolled = len(call.parts) > len({part.name for part in call.parts})
        x = leaves(call.inputs)[0] if call.inputs else None
        if call.name in looked or (call.parts and not unrolled):
            continue
        looked.add(call.name)
        if not is_float(x) or x.ndim != 3 or x.shape[1] < STEPS:
            continue
        sizes = along_steps(call)
        if sizes is None or not (sizes > 0).all() or not np.isfinite(sizes).all():
            continue
        ratio, steps = float(sizes[0] / sizes[-1]), len(sizes) - 1
        each = ratio ** (1 / steps)
        detail = f"first to last of {steps + 1} steps {ratio:.1g}"
        report.add("health", f"{subject(call)} through time", [told(call, ratio, each)], detail)


def told(call, ratio, each):
    """Return the `Finding` about a gradient that fades or grows along the steps, or None."""
    words = f"at the first step of {subject(call)} the last output's gradient is"
    if ratio < FADED:
        message = (
            f"{words} {ratio:.1g} of what it is at the last, {each:.2g} times a step: it fades"
        )
        look = "weights between the steps of norm 1 (nn.init.orthogonal), tanh, a GRU or an LSTM"
        return Finding("vanishing", call.name, call.type, message, look, note=each > EACH)
    if ratio > 1 / FADED:
        message = f"{words} {ratio:.1g} times that at the last, {each:.2g} a step: it grows"
        look = "weights between the steps of norm 1, gradient_clip, tanh, a GRU or an LSTM"
        return Finding("exploding", call.name, call.type, message, look)
    return None


def along_steps(call):
    """Return the norm of dx at each step, for a dy at the last step; None where there is none."""
    twin, rng = unburdened(call.module).to(dtype="float64").train(), np.random.default_rng(12)
    x = as_float64(leaves(call.inputs)[0])
    try:
        y = leaves(twin(*[as_float64(value) for value in call.inputs]))[0]
        dy = rng.standard_normal(y.shape)
        if y.ndim == 3 and y.shape[1] == x.shape[1]:
            dy[:, :-1] = 0
        dx = leaves(twin.backward(dy))[0]
    except Exception:  # judged elsewhere
        return None
    if np.size(dx) != x.size:
        return None
    return np.sqrt(np.square(dx.reshape(x.shape)).sum(axis=(0, 2)))
