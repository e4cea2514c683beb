"""Checks of a network's units: dead, saturated, or equal to each other."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import is_float, leaves, root_mean_square, standard_normal
from firstlight.tools.diagnose.findings import Finding, Report
from firstlight.tools.diagnose.module_state import detached_copy
from firstlight.tools.diagnose.recorded_calls import Call

TINY = 4  # samples of a batch, too few for BatchNorm's statistics
MANY = 0.6  # share of a layer's values


def check_units(calls: list[Call], report: Report) -> None:
    """Add a line about dead and one about saturated units, from recorded calls.

    A unit is an index of the last axis. It is dead if it is exactly zero for every sample and
    position of the batch, in each call of its module. In a deep fresh network all samples become
    alike, and each unit is dead with probability one half. A layer of n units is therefore
    reported from n/2 + 3 sqrt(n)/2 dead units on, three standard deviations more, and only if at
    most half as many were dead in its input.
    """
    by_name: dict[str, list[Call]] = {}
    for call in calls:
        if not call.parts and call.inputs and "Dropout" not in call.type:
            by_name.setdefault(call.name, []).append(call)
    dead, saturated, shares = [], [], [(0, 0)]
    for same in by_name.values():
        call = same[0]
        for mask, what in dead_masks(same):
            shares.append((int(mask.sum()), len(mask)))
            before = dead_mask(leaves(call.inputs)[0])
            by_chance = 0.5 + 1.5 / len(mask) ** 0.5
            fresh = before is None or before.mean() <= mask.mean() / 2
            if mask.mean() >= min(by_chance, 1.0) and fresh:
                message = (
                    f"{int(mask.sum())} of {len(mask)} {what} are zero for each of the "
                    f"{len(call.inputs[0])} samples: no gradient passes there"
                )
                look = "biases and initial weights before it, the learning rate, a LeakyReLU"
                dead.append(Finding.of_call(call, "dead-units", message, look))
        for y, what in unit_arrays(call, call.output, call.module):
            own = call.has_parameters and y is call.output
            share = 0.0 if own else saturated_share(y)
            if share > MANY:
                message = (
                    f"{share:.0%} of the values of {what} are at the flat ends of the "
                    "activation, where its slope is almost zero"
                )
                look = "the scale of the inputs, and of the weights before it"
                saturated.append(Finding.of_call(call, "saturated-units", message, look))
    most = max(shares, key=lambda pair: pair[0] / max(pair[1], 1))
    report.add("health", "dead units", dead[:1], f"at most {most[0]} of {most[1]}" * (most[0] > 0))
    report.add("health", "saturated units", saturated[:1])


def dead_masks(same: list[Call]) -> Iterator[tuple[Array, str]]:
    """Yield ``(which units are dead, their description)`` for the calls of one module."""
    call = same[0]
    masks = [dead_mask(rerun_with_moved_weights(one)[0]) for one in same]
    if all(mask is not None and len(mask) == len(masks[0]) for mask in masks):
        yield np.logical_and.reduce(masks), f"units of {call.label}"
    if len(same) == 1:
        for y, what in unit_arrays(call, None, rerun_with_moved_weights(call)[1]):
            mask = dead_mask(y)
            if mask is not None:
                yield mask, f"units of {what}"


def rerun_with_moved_weights(call: Call) -> tuple[Any, Module]:
    """Return ``(output, module)`` of a call that ran again, with its parameters moved a little.

    Weights that start at zero give zeros too, as in heads and residual branches, but these learn;
    a dead unit stays at zero wherever its weights go next.
    """
    if not call.has_parameters:
        return call.output, call.module
    rng, twin = np.random.default_rng(0), detached_copy(call.module)
    for parameter in twin.parameters():
        data = parameter.data
        data += 0.1 * root_mean_square(data) * standard_normal(rng, data)
    try:
        return twin(*call.inputs), twin
    except Exception:  # it needs something of the whole network
        return None, twin


def unit_arrays(call: Call, output: Any, module: Module) -> Iterator[tuple[Array, str]]:
    """Yield ``(array, description)`` of an output, and of what the module saved for backward.

    The saved arrays show the units of networks that are written in one module.
    """
    if is_float(output):
        yield output, f"{call.label}'s units"
    for values in module._stack or ():
        for array in values:
            given = any(np.array_equal(array, x) for x in leaves(call.inputs))
            if is_float(array) and array.size != np.size(leaves(call.inputs)[0]) and not given:
                yield array, f"the array {array.shape} that {call.label} keeps"


def dead_mask(y: Any) -> Array | None:
    """Return for each unit whether it is zero everywhere; None if there are too few values."""
    if not is_float(y) or y.ndim < 2 or y.shape[-1] < 4 or len(y) < 8:
        return None
    return ~y.reshape(-1, y.shape[-1]).any(axis=0)


def saturated_share(y: Array) -> float:
    """Return the share of values at the ends of (0, 1) or (-1, 1); 0 for another range."""
    if not is_float(y) or y.ndim < 2 or y.size < 32 or np.abs(y).max() > 1 or y.max() < 0.9:
        return 0.0
    if np.abs(y.sum(axis=-1) - 1).max() < 1e-3:  # a softmax
        return 0.0
    if y.min() < -0.9:
        return float(np.mean(np.abs(y) > 0.99))
    if 0 <= y.min() < 0.1 and np.mean(y == 0) < 0.02:
        return float(np.mean((y > 0.99) | (y < 0.01)))
    return 0.0


def symmetric_units(model: Module) -> Finding | None:
    """Return a finding about a weight whose units are equal and stay so, or None.

    Units that start alike and get the same gradient learn the same; two are no more than one. If
    all weights are zero, they may get no gradient at all. A gradient below a millionth of the
    model's largest counts as noise.
    """
    weights = [(n, p) for n, p in model.named_parameters() if p.data.ndim > 1 and p.requires_grad]
    noise = 1e-6 * max((float(np.abs(p.grad).max()) for p in model.parameters()), default=0.0)
    for name, parameter in weights:
        for axis in {0, parameter.data.ndim - 1}:  # units are rows, in some layers columns
            w, g = (np.moveaxis(a, axis, 0) for a in (parameter.data, parameter.grad))
            same = len(w) > 1 and (w == w[:1]).all()
            if same and np.allclose(g, g[:1], rtol=1e-4, atol=noise):
                message = f"all units of {name} start with equal weights and get equal gradients"
                look = "random initial weights, e.g. nn.init.kaiming_uniform"
                return Finding("symmetry", name, "", message, look)
    return None


def check_batchnorm(model: Module, samples: int, report: Report) -> None:
    """Add a line about the batch size, if the model has a BatchNorm."""
    names = [n for n, p in model.named_modules() if "BatchNorm" in type(p).__name__]
    if not names:
        return
    message = f"BatchNorm takes mean and variance of {samples} samples: they are mostly noise"
    look = "a larger batch_size, or LayerNorm"
    found = Finding("small-batch", names[0], "BatchNorm", message, look)
    report.add("health", "BatchNorm's batch", [found] * (samples <= TINY), f"{samples} samples")
