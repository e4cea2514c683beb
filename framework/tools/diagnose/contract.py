"""The contract of backward, beside its numbers: what it must leave alone, add up and undo."""

import copy

import numpy as np

from firstlight.tools.diagnose.bench import as_float64, is_float, normal, unburdened

TIGHT = {"rtol": 1e-8, "atol": 1e-11}


def broken(bench):
    """Return ``(kind, words, gradient)`` of the first law that is broken on the bench, or None."""
    return untouched(bench) or accumulates(bench) or undoes_all(bench)


def untouched(bench):
    """Inputs and dy stay as they are."""

    def changed():
        return not all(
            np.array_equal(old, new, equal_nan=is_float(old))
            for old, new in zip(bench.inputs, bench.passed, strict=True)
            if isinstance(old, np.ndarray)
        )

    bench.forward(keep=True)
    weights = [(name, parameter.data.copy()) for name, parameter in bench.trained]
    if changed():
        return "in-place", "forward changes its input in place; others keep it for backward", ""
    dy = bench.dy.copy()
    bench.module.backward(dy)
    if changed():
        return "in-place", "backward changes the input of forward in place", ""
    if not np.array_equal(dy, bench.dy):
        return "in-place", "backward changes dy in place; whoever called may still need it", ""
    for (name, before), (_, parameter) in zip(weights, bench.trained, strict=True):
        if not np.array_equal(before, parameter.data):
            parameter.data[...] = before
            return "in-place", f"backward changes {name} itself, which only the optimizer does", ""
    return None


def accumulates(bench):
    """Gradients are added to what is there."""
    rng = np.random.default_rng(6)
    plain = bench.backward()
    start = {name: normal(rng, p.data) for name, p in bench.trained}
    added = bench.backward(start=start)
    for name in start:
        if np.allclose(added[name], start[name] + plain[name], **TIGHT):
            continue
        if np.allclose(added[name], plain[name], **TIGHT):
            words = "it replaces what is in grad instead of adding to it"
            return "not-accumulated", words, name
        return "not-accumulated", "it depends on what was in grad before", name
    return None


def undoes_all(bench):
    """Every forward is undone: each save has its saved."""
    bench.forward(keep=True)
    bench.module.backward(bench.dy.copy())
    left = [(name, part) for name, part in bench.module.named_modules() if part._stack]
    if not left or any(name for name, _ in left):  # of a part: told there, or as not called
        return None
    return "stack", f"{len(left[0][1]._stack)} of what forward saved is left after backward", ""


def keeps_only_the_latest(bench):
    """Return whether the latest of two forwards makes the gradients of the first one wrong."""
    single = bench.backward()
    try:
        for _, parameter in bench.trained:
            parameter.grad[...] = 0
        bench.forward(keep=True)
        bench.module(*[copy.copy(x) for x in bench.other_inputs])
        bench.module.backward(bench.other_dy.copy())
        for _, parameter in bench.trained:
            parameter.grad[...] = 0
        dx = bench.module.backward(bench.dy.copy())
    except Exception:
        return True
    pairs = [(parameter.grad, single[name]) for name, parameter in bench.trained]
    if isinstance(dx, np.ndarray) and isinstance(single.get("dx"), np.ndarray):
        pairs.append((dx.ravel(), single["dx"].ravel()))
    return not all(np.allclose(one, other, **TIGHT) for one, other in pairs)


def changed_between(module, inputs):
    """Say which part's saved arrays somebody overwrites between its forward and its backward."""
    twin = unburdened(module).to(dtype="float64").train()
    kept, found = {}, []

    def watch(name, part):
        forward, backward = part.forward, part.backward

        def saving(*given, **named):
            y = forward(*given, **named)
            if part._stack:
                arrays = [(v, v.copy()) for v in part._stack[-1] if isinstance(v, np.ndarray)]
                kept.setdefault(name, []).append(arrays)
            return y

        def undoing(*given, **named):
            for array, before in kept.get(name) and kept[name].pop() or ():
                if not np.array_equal(array, before) and not found:
                    found.append(
                        f"it overwrites what {name} ({type(part).__name__}) kept for backward"
                    )
            return backward(*given, **named)

        part.forward, part.backward = saving, undoing

    for name, part in twin.named_modules():
        if name:
            watch(name, part)
    try:
        y = twin(*[as_float64(value) for value in inputs])
        twin.backward(normal(np.random.default_rng(0), y))
    except Exception:
        return None
    return found[0] if found else None
