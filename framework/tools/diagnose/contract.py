"""The contract of backward beside its numbers: what it leaves alone, accumulates and undoes."""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.arrays import as_float64, is_float, standard_normal
from firstlight.tools.diagnose.bench import Bench
from firstlight.tools.diagnose.module_state import float64_copy
from firstlight.tools.diagnose.recorded_calls import wrapped

TIGHT = {"rtol": 1e-8, "atol": 1e-11}
Violation = tuple[str, str, str]  # kind, explanation and gradient


def first_violation(bench: Bench) -> Violation | None:
    """Return kind, explanation and gradient of the first law that is broken, or None."""
    return _changes_in_place(bench) or _does_not_accumulate(bench) or _leaves_saved_values(bench)


def _changes_in_place(bench):
    def changed():
        return not all(
            np.array_equal(old, new, equal_nan=is_float(old))
            for old, new in zip(bench.inputs, bench.passed, strict=True)
            if isinstance(old, np.ndarray)
        )

    bench.forward(keep=True)
    weights = [parameter.data.copy() for _, parameter in bench.trained]
    if changed():
        return "in-place", "forward changes its input in place; others keep it for backward", ""
    dy = bench.dy.copy()
    bench.module.backward(dy)
    if changed():
        return "in-place", "backward changes the input of forward in place", ""
    if not np.array_equal(dy, bench.dy):
        return "in-place", "backward changes dy in place; the caller may still need it", ""
    for (name, parameter), before in zip(bench.trained, weights, strict=True):
        if not np.array_equal(before, parameter.data):
            parameter.data[...] = before
            return "in-place", f"backward changes {name} itself, which only the optimizer does", ""
    return None


def _does_not_accumulate(bench):
    rng = np.random.default_rng(6)
    plain = bench.backward()
    start = {name: standard_normal(rng, p.data) for name, p in bench.trained}
    added = bench.backward(start=start)
    for name in start:
        if np.allclose(added[name], start[name] + plain[name], **TIGHT):
            continue
        if np.allclose(added[name], plain[name], **TIGHT):
            words = "it overwrites grad instead of adding to it"
            return "not-accumulated", words, name
        return "not-accumulated", "it depends on the earlier values of grad", name
    return None


def _leaves_saved_values(bench):
    bench.forward(keep=True)
    bench.module.backward(bench.dy.copy())
    left = [(name, part) for name, part in bench.module.named_modules() if part._stack]
    if not left or any(name for name, _ in left):  # a part's: found there, or as not called
        return None
    count = len(left[0][1]._stack)
    return "stack", f"{count} of the values that forward saved are left after backward", ""


def keeps_only_the_latest(bench: Bench) -> bool:
    """Return whether a second forward before backward makes the gradients of the first wrong."""

    def zero_grad():
        for _, parameter in bench.trained:
            parameter.grad[...] = 0

    single = bench.backward()
    try:
        zero_grad()
        bench.forward(keep=True)
        bench.module(*[copy.copy(x) for x in bench.other_inputs])
        bench.module.backward(bench.other_dy.copy())
        zero_grad()
        dx = bench.module.backward(bench.dy.copy())
    except Exception:
        return True
    pairs = [(parameter.grad, single[name]) for name, parameter in bench.trained]
    if isinstance(dx, np.ndarray) and isinstance(single.get("dx"), np.ndarray):
        pairs.append((dx.ravel(), single["dx"].ravel()))
    return not all(np.allclose(one, other, **TIGHT) for one, other in pairs)


def overwritten_cache(module: Module, inputs: Sequence[Any]) -> str | None:
    """Name a part whose saved arrays change between its forward and its backward, or None."""
    saved: dict[str, list] = {}
    found: list[str] = []

    def watch_forward(name: str, part: Module, original: Callable) -> Callable:
        def forward(*given: Any, **options: Any) -> Any:
            y = original(*given, **options)
            if part._stack:
                arrays = [(v, v.copy()) for v in part._stack[-1] if isinstance(v, np.ndarray)]
                saved.setdefault(name, []).append(arrays)
            return y

        return forward

    def watch_backward(name: str, part: Module, original: Callable) -> Callable:
        def backward(*given: Any, **options: Any) -> Any:
            for array, before in saved[name].pop() if saved.get(name) else ():
                if name and not np.array_equal(array, before):
                    kind = type(part).__name__
                    found.append(f"it overwrites what {name} ({kind}) kept for backward")
            return original(*given, **options)

        return backward

    twin = float64_copy(module)
    with wrapped(twin, watch_forward, watch_backward), suppress(Exception):
        y = twin(*[as_float64(value) for value in inputs])
        twin.backward(standard_normal(np.random.default_rng(0), y))
        return found[0] if found else None
    return None
