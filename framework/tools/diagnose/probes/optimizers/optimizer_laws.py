"""Laws that the steps of every optimizer obey, whatever its rule is."""

import re
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.optimizers.optimizer_runs import (
    ENTRIES,
    SIZE,
    STEPS,
    OptimizerRun,
    pattern,
)

Law = tuple[str, dict[str, Any]] | None


def broken_law(evidence: OptimizerRun) -> Law:
    """Return key and values of the first law that every optimizer obeys and this one breaks."""
    for law in (not_moved, not_kept, shared_state, uphill, growing):
        if found := law(evidence):
            return found
    return None


def not_moved(evidence: OptimizerRun) -> Law:
    """Return the law's key and values if some parameters with a gradient never move."""
    run = evidence.plain
    moved = [bool(m.any()) for m, same in zip(run.moved, run.alike, strict=True) if same]
    if all(moved):
        return None
    return "not-moved", {"moved": sum(moved), "count": len(moved)}


def not_kept(evidence: OptimizerRun) -> Law:
    """Return the key and a name if a rule assigns to a state's name and its array stays zero."""
    for name in evidence.plain.unwritten:
        if evidence.bound_again(name):
            return "not-kept", {"state": name}
    return None


def shared_state(evidence: OptimizerRun) -> Law:
    """Return the key if the first parameter's steps depend on the sign of the others' gradients."""
    if len(evidence.plain.start) < 2:
        return None
    turned = evidence.run(lambda p, step: pattern(p, step) * (1 if p == 0 else -1))
    before, after = evidence.plain.moved[0], turned.moved[0]
    same = np.allclose(before, after, rtol=1e-3, atol=1e-6, equal_nan=True)
    return None if same else ("shared", {})


def uphill(evidence: OptimizerRun) -> Law:
    """Return the key if all weights rise with a positive gradient, or move as with its opposite."""
    if re.search("asc|max", evidence.type.lower()) or "maximize" in vars(evidence.first.optimizer):
        return None
    up, down = (evidence.run(lambda p, step, s=s: np.full(ENTRIES, s * SIZE)) for s in (1, -1))
    pairs = list(zip(up.moved, down.moved, strict=True))
    if all(u.any() and np.allclose(u, d, rtol=1e-6, atol=0) for u, d in pairs):
        return "unsigned", {}
    rises = [(u[-1] > d[-1]).all() for u, d in zip(up.weights, down.weights, strict=True)]
    return ("uphill", {}) if all(rises) else None


def growing(evidence: OptimizerRun) -> Law:
    """Return the key if weights grow without a gradient."""
    rest = evidence.run(lambda p, step: np.zeros(ENTRIES))
    after = sum(np.abs(w[-1]).sum() for w in rest.weights)
    before = sum(np.abs(w).sum() for w in rest.start)
    growth = after / before - 1 if before else 0.0
    return ("decay-sign", {"growth": growth, "steps": STEPS}) if growth > 1e-7 * STEPS else None
