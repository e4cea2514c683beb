"""How a network looks in one step: units that never answer, evaluation, BatchNorm's batch."""

import numpy as np

from firstlight.diagnose.backward import subject
from firstlight.diagnose.bench import is_float, normal, scale_of, unburdened
from firstlight.diagnose.findings import Finding
from firstlight.parameter import Parameter

TINY = 4  # samples of a batch, of which BatchNorm learns little
MANY = 0.6  # share of a layer's units, or of its values


def units(tops, report):
    """Add a line about dead and one about saturated units, from recorded calls."""
    dead, saturated = [], []
    for top in tops:
        for _, call in top.walk():
            if call.parts or not call.inputs or "Dropout" in call.type:
                continue
            for y, what in seen(call, moved(call)):
                share, before = dead_share(y), dead_share(call.inputs[0])
                if share > MANY and before < share / 2:
                    dead.append(
                        Finding(
                            "dead-units",
                            call.name,
                            call.type,
                            f"{share:.0%} of {what} are zero for every sample: no gradient "
                            "passes there",
                            "biases and initial weights before it, the learning rate, a LeakyReLU",
                        )
                    )
            for y, what in seen(call, (call.output, call.module)):
                share = (
                    0.0 if owns_parameters(call.module) and y is call.output else saturated_share(y)
                )
                if share > MANY:
                    saturated.append(
                        Finding(
                            "saturated-units",
                            call.name,
                            call.type,
                            f"{share:.0%} of the values of {what} are at the flat ends of the "
                            "activation, where its slope is nearly zero",
                            "the scale of the inputs, and of the weights before it",
                        )
                    )
    report.add("health", "dead units", dead[:1])
    report.add("health", "saturated units", saturated[:1])


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
            given = any(np.array_equal(array, x) for x in call.inputs)
            if is_float(array) and array.size != np.size(call.inputs[0]) and not given:
                yield array, f"the units {array.shape} that {subject(call)} keeps"


def dead_share(y):
    """Return the share of units, places on the last axis, that are exactly zero everywhere."""
    if not is_float(y) or y.ndim < 2 or y.shape[-1] < 4 or len(y) < 8:
        return 0.0
    return float(np.mean(~y.reshape(-1, y.shape[-1]).any(axis=0)))


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
