"""Language models: whether what is to be predicted is among what the model sees."""

import contextlib

import numpy as np

from firstlight.tools.diagnose.bench import unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.recording import recording

SEQUENCES = 3
ALIKE = 0.99  # of the places


def is_task(x, y):
    """Return whether targets are the inputs, or the inputs one place further on."""
    if not all(getattr(a, "dtype", np.dtype(float)).kind in "iu" for a in (x, y)):
        return False
    if x.ndim != 2 or x.shape != y.shape or x.shape[1] < 4 or (x == x[:1, :1]).all():
        return False
    return (x == y).all() or np.mean(x[:, 1:] == y[:, :-1]) >= ALIKE


def in_sight(model, x, y):
    """Return a `Finding` about targets that the model can simply copy, or None."""
    if (x == y).all():
        message = "the targets are the inputs: to predict the next token they are one place ahead"
        return Finding("leak", "data", "", message, "x = tokens[:-1], y = tokens[1:]")
    x, middle = x[:SEQUENCES], x.shape[1] // 2
    other = x.copy()
    other[:, middle:] = np.roll(x[:, middle:], 1, axis=0)
    first, second = (calls_of(model, tokens) for tokens in (x, other))
    if not first or not second or not changed(first[-1].output, second[-1].output, middle):
        return None
    where = innermost(first, second, middle)
    message = (
        f"what the model says at place {middle - 1} changes with the tokens after it, which it is "
        "to predict"
    )
    look = "the causal mask of attention; no layer may look ahead"
    return Finding("leak", where.name, where.type, message, look)


def innermost(first, second, middle):
    """Return the first call that looks ahead itself, as deep inside others as it goes."""
    ahead = [
        one
        for one, two in zip(first, second, strict=False)
        if changed(one.output, two.output, middle)
        and not any(changed(a, b, middle) for a, b in zip(one.inputs, two.inputs, strict=False))
        and one is not first[-1]
    ]
    found = ahead[0] if ahead else first[-1]
    while inside := [part for part in found.parts if any(part is one for one in ahead)]:
        found = inside[0]
    return found


def calls_of(model, tokens):
    """Return all calls of an evaluation, the model's own last; none where it raises."""
    twin = unburdened(model).to(dtype="float64").eval()
    with recording(twin) as tops, contextlib.suppress(Exception):
        twin(tokens)
    top = next((call for call in tops if call.output is not None), None)
    return [] if top is None else [*(c for _, c in top.walk() if c is not top), top]


def changed(one, two, middle):
    """Return whether two arrays (N, T, ...) differ before the middle."""
    if not isinstance(one, np.ndarray) or one.ndim < 2 or np.shape(one) != np.shape(two):
        return False
    return not np.allclose(one[:, :middle], two[:, :middle], rtol=1e-6, atol=1e-9)
