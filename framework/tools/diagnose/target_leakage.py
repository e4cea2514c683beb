"""Target leakage in language models: whether the model sees the tokens that it is to predict."""

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import is_integer
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.module_state import float64_copy
from firstlight.tools.diagnose.recorded_calls import Call, recorded_evaluation

SEQUENCES = 3
ALIKE = 0.99  # share of the positions


def predicts_next_token(x: Array, y: Array) -> bool:
    """Return whether targets are the inputs, or the inputs one position further on."""
    if not is_integer(x) or not is_integer(y):
        return False
    if x.ndim != 2 or x.shape != y.shape or x.shape[1] < 4 or (x == x[:1, :1]).all():
        return False
    return bool((x == y).all() or np.mean(x[:, 1:] == y[:, :-1]) >= ALIKE)


def find_leakage(model: Module, x: Array, y: Array) -> Finding | None:
    """Return a finding about targets that the model can copy, or None."""
    if (x == y).all():
        message = "the targets equal the inputs: next tokens are one position further on"
        return Finding("leak", "data", "", message, "x = tokens[:-1], y = tokens[1:]")
    x, middle = x[:SEQUENCES], x.shape[1] // 2
    other = x.copy()
    other[:, middle:] = np.roll(x[:, middle:], 1, axis=0)
    first, second = (evaluation_calls(model, tokens) for tokens in (x, other))
    if not first or not second or not changes(first[0].output, second[0].output, middle):
        return None
    message = (
        f"the output at position {middle - 1} changes with the tokens after it, which it has to "
        "predict"
    )
    look = "the causal mask of attention; no layer may see later positions"
    return Finding.of_call(looks_ahead(first, second, middle), "leak", message, look)


def looks_ahead(first: list[Call], second: list[Call], middle: int) -> Call:
    """Return the first call, as deep as possible, whose early output alone changes."""
    ahead = [
        one
        for one, two in list(zip(first, second, strict=False))[1:]
        if changes(one.output, two.output, middle)
        and not any(changes(a, b, middle) for a, b in zip(one.inputs, two.inputs, strict=False))
    ]
    found = ahead[0] if ahead else first[0]
    while inside := [part for part in found.parts if any(part is one for one in ahead)]:
        found = inside[0]
    return found


def evaluation_calls(model: Module, tokens: Array) -> list[Call]:
    """Return all calls of an evaluation, the model's own first; none if it raises."""
    try:
        return recorded_evaluation(float64_copy(model), tokens)
    except Exception:
        return []


def changes(one: Array, two: Array, middle: int) -> bool:
    """Return whether two arrays (N, T, ...) differ before the middle."""
    if not isinstance(one, np.ndarray) or one.ndim < 2 or np.shape(one) != np.shape(two):
        return False
    return not np.allclose(one[:, :middle], two[:, :middle], rtol=1e-6, atol=1e-9)
