"""How a network looks in one step: units that never answer, evaluation, BatchNorm's batch."""

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.diagnose.backward import subject
from firstlight.tools.diagnose.bench import is_float, normal, scale_of, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.tuples import leaves

TINY = 4  # samples of a batch, of which BatchNorm learns little
MANY = 0.6  # share of a layer's values


def units(tops, report):
    """Add a line about dead and one about saturated units, from recorded calls.

    A unit is a place on the last axis. It is dead if it is exactly zero for every sample and place
    of the batch, in each call of its module. In a deep fresh network all samples come to look alike
    and each unit is dead with probability one half; a layer of n units is told from
    n/2 + 3 sqrt(n)/2 on, three standard deviations more, and if at most half as many were dead in
    what it gets.
    """
    calls, dead, saturated, shares = {}, [], [], [(0, 0)]
    for top in tops:
        for _, call in top.walk():
            if not call.parts and call.inputs and "Dropout" not in call.type:
                calls.setdefault(call.name, []).append(call)
    for same in calls.values():
        call = same[0]
        for zero, what in dead_of(same):
            shares.append((int(zero.sum()), len(zero)))
            before = dead_mask(leaves(call.inputs)[0])
            by_chance = 0.5 + 1.5 / len(zero) ** 0.5
            fresh = before is None or before.mean() <= zero.mean() / 2
            if zero.mean() >= min(by_chance, 1.0) and fresh:
                message = (
                    f"{int(zero.sum())} of {len(zero)} {what} are zero for each of the "
                    f"{len(call.inputs[0])} samples: no gradient passes there"
                )
                look = "biases and initial weights before it, the learning rate, a LeakyReLU"
                dead.append(Finding("dead-units", call.name, call.type, message, look))
        for y, what in seen(call, (call.output, call.module)):
            own = owns_parameters(call.module) and y is call.output
            share = 0.0 if own else saturated_share(y)
            if share > MANY:
                message = (
                    f"{share:.0%} of the values of {what} are at the flat ends of the "
                    "activation, where its slope is nearly zero"
                )
                look = "the scale of the inputs, and of the weights before it"
                saturated.append(Finding("saturated-units", call.name, call.type, message, look))
    most = max(shares, key=lambda pair: pair[0] / max(pair[1], 1))
    report.add("health", "dead units", dead[:1], f"at most {most[0]} of {most[1]}" * (most[0] > 0))
    report.add("health", "saturated units", saturated[:1])


def dead_of(same):
    """Yield ``(which units are dead, words)`` for the calls of one module."""
    call = same[0]
    masks = [dead_mask(moved(one)[0]) for one in same]
    if all(mask is not None and len(mask) == len(masks[0]) for mask in masks):
        yield np.logical_and.reduce(masks), f"units of {subject(call)}"
    if len(same) == 1:
        for y, what in seen(call, (None, moved(call)[1])):
            mask = dead_mask(y)
            if mask is not None:
                yield mask, f"units of {what}"


def owns_parameters(module):
    """Return whether a module is more than an activation."""
    return any(isinstance(value, Parameter) for value in vars(module).values())


def moved(call):
    """Return ``(output, module)`` of a call again, with its parameters moved a little.

    Weights that start at zero give zeros too, as in heads and residual branches, but these learn;
    a dead unit stays at zero wherever its weights go next.
    """
    if not owns_parameters(call.module):
        return call.output, call.module
    rng, twin = np.random.default_rng(0), unburdened(call.module)
    for parameter in twin.parameters():
        parameter.data[...] += 0.1 * scale_of(parameter.data) * normal(rng, parameter.data)
    try:
        return twin(*call.inputs), twin
    except Exception:  # it needs what the whole network gives it
        return None, twin


def seen(call, made):
    """Yield ``(array, words)`` of ``made``, an output and its module, for a call.

    For networks written out, what the module saved comes too.
    """
    output, module = made
    if is_float(output):
        yield output, f"{subject(call)}'s units"
    for values in module._stack or ():
        for array in values:
            given = any(np.array_equal(array, x) for x in leaves(call.inputs))
            if is_float(array) and array.size != np.size(leaves(call.inputs)[0]) and not given:
                yield array, f"the array {array.shape} that {subject(call)} keeps"


def dead_mask(y):
    """Return for each unit whether it is zero everywhere; None where there is too little to see."""
    if not is_float(y) or y.ndim < 2 or y.shape[-1] < 4 or len(y) < 8:
        return None
    return ~y.reshape(-1, y.shape[-1]).any(axis=0)


def saturated_share(y):
    """Return the share of values at the ends of (0, 1) or (-1, 1); 0 if they are not of such."""
    if not is_float(y) or y.ndim < 2 or y.size < 32 or np.abs(y).max() > 1 or y.max() < 0.9:
        return 0.0
    if np.abs(y.sum(axis=-1) - 1).max() < 1e-3:  # a softmax
        return 0.0
    if y.min() < -0.9:
        return float(np.mean(np.abs(y) > 0.99))
    if 0 <= y.min() < 0.1 and np.mean(y == 0) < 0.02:
        return float(np.mean((y > 0.99) | (y < 0.01)))
    return 0.0


def small_batch(model, x, report):
    """Add a finding where BatchNorm has few samples to take its statistics from."""
    names = [n for n, p in model.named_modules() if "BatchNorm" in type(p).__name__]
    if not names:
        return
    findings = []
    if len(x) <= TINY:
        findings.append(
            Finding(
                "small-batch",
                names[0],
                "BatchNorm",
                f"BatchNorm takes mean and variance of {len(x)} samples: they are mostly noise",
                "a larger batch_size, or LayerNorm",
            )
        )
    report.add("health", "BatchNorm's batch", findings, f"{len(x)} samples")
