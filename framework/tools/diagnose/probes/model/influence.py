"""Influence: which positions of a sequence change which positions of a module's output."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.arrays import as_float64, flattened, is_float
from firstlight.tools.diagnose.probes.module_state import float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call, recorded_evaluation

SEQUENCES, LENGTH = 3, 24  # that are looked at


def evaluation_calls(model: Module, *inputs: Any) -> list[Call]:
    """Return all calls of an evaluation in float64, the model's own first; none if it raises."""
    try:
        return recorded_evaluation(float64_copy(model), *[as_float64(x) for x in inputs])
    except Exception:
        return []


def differs_before(one: Any, two: Any, middle: int) -> bool:
    """Return whether two arrays (N, T, ...) differ before the middle."""
    if not isinstance(one, np.ndarray) or one.ndim < 2 or np.shape(one) != np.shape(two):
        return False
    return not np.allclose(one[:, :middle], two[:, :middle], rtol=1e-6, atol=1e-9)


def first_to_look_ahead(model: Module, x: Array) -> Call | None:
    """Return the innermost call whose early output changes with late inputs only, or None.

    The first call whose early output changes although its early inputs do not.
    """
    x, middle = x[:SEQUENCES], x.shape[1] // 2
    other = x.copy()
    other[:, middle:] = np.roll(x[:, middle:], 1, axis=0)
    first, second = (evaluation_calls(model, tokens) for tokens in (x, other))
    if not first or not second or not differs_before(first[0].output, second[0].output, middle):
        return None
    ahead = [
        one
        for one, two in list(zip(first, second, strict=False))[1:]
        if differs_before(one.output, two.output, middle)
        and not any(
            differs_before(a, b, middle) for a, b in zip(one.inputs, two.inputs, strict=False)
        )
    ]
    found = ahead[0] if ahead else first[0]
    while inside := [part for part in found.parts if any(part is one for one in ahead)]:
        found = inside[0]
    return found


def influence(call: Call) -> Array | None:
    """Return a boolean matrix: whether position [i, j] of output i changes with input j.

    None if the module cannot run alone, or changes the number of positions.
    """
    x = flattened(call.inputs)[0] if call.inputs else None
    if not hasattr(x, "ndim") or x.ndim < 2 or not 2 < x.shape[1] <= LENGTH or len(x) < 2:
        return None
    x, rest = as_float64(x[:SEQUENCES]), call.inputs[1:]
    rng, twin = np.random.default_rng(0), float64_copy(call.module).eval()

    def run(inputs):
        return np.array(flattened(twin(inputs.copy(), *rest))[0])

    try:
        y = run(x)
        found = np.zeros((x.shape[1], x.shape[1]), bool)
        if y.shape[:2] != x.shape[:2]:
            return None
        for j in range(x.shape[1]):
            moved = x.copy()
            if is_float(x):
                moved[:, j] += float(x.std() or 1) * rng.standard_normal(x[:, j].shape)
            else:  # another token of the same sequences
                moved[:, j] = np.where(x[:, j] == x.max(), x.min(), x.max())
            change = np.abs(run(moved) - y).reshape(len(y), len(found), -1).max(axis=(0, 2))
            found[:, j] = change > 1e-9 * (1 + np.abs(y).max())
    except Exception:
        return None
    return found
