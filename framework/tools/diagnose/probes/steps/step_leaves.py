"""The arrays of a step that lead to an update, and the running values that are lost before it."""

import ast
import contextlib
from collections.abc import Iterator

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.script.events import Assigned, Trace, Update
from firstlight.tools.diagnose.probes.script.ledger import is_scaled
from firstlight.tools.diagnose.probes.steps.replay import Window

DEPTH = 4  # of assignments between a gradient and the update that uses it


def leading_arrays(window: Window, event: Update) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of an updated array's shape that lead to the update, and their text."""
    yield from _leaves(window, event, event.sources, DEPTH, {event.name})


def claiming_lines(window: Window) -> set[int]:
    """Return the lines of what leads to updates, with what was limited or scaled on the way."""
    leaves = [one for e in window.of(Update) if e.trains for one in leading_arrays(window, e)]
    names, values = {text for text, _ in leaves}, {id(g): g for _, g in leaves}.values()
    return {
        event.at.line
        for event in window.of(Assigned, Update)
        if _written(event.name) in names
        or isinstance(event, Update)
        and any(np.array_equal(event.after, value) for value in values)
    }


def _leaves(window, event, sources, depth, seen):
    """Yield the arrays of the updated array's shape that lead to an update, the last ones last."""
    for text, value in sources.items():
        if text in seen or np.shape(value) != np.shape(event.after):
            continue
        yield text, value
        yield from ((text, before) for before in _unclipped(window, event, value))
        origins = [
            e
            for e in window.of(Assigned, Update)
            if e.name.startswith(text)
            and _written(e.name) == text
            and e.index < event.index
            and e.sources
        ]
        if origins and depth:
            inner_sources = origins[-1].sources
            yield from _leaves(window, event, inner_sources, depth - 1, seen | {text})


def _written(name):
    """Return what an assignment to a name writes; ``m`` for ``m[...]``."""
    return name.removesuffix("[...]").removesuffix("[:]")


def _unclipped(window, event, value):
    """Yield what an array was before statements that limited it: not by the same factor always."""
    for earlier in reversed(window.of(Update)) if np.ndim(value) else ():
        alike = earlier.index <= event.index and np.shape(earlier.after) == value.shape
        if alike and np.array_equal(earlier.after, value) and is_scaled(earlier.before, value):
            before = [e for e in window.trace.of(Update) if e.index <= window.start]
            factors = [_factor(e) for e in before if e.at == earlier.at]
            if _factor(earlier) > 0 and not any(np.isclose(_factor(earlier), f) for f in factors):
                yield earlier.before
                value = earlier.before


def _factor(event):
    """Return the factor by which a statement scaled an array, as far as one number can say it."""
    before, after = np.ravel(event.before), np.ravel(event.after)
    alike = before.size == after.size and before.any()
    return float(before @ after) / float(before @ before) if alike else 0.0


def lost_values(trace: Trace) -> Iterator[Update]:
    """Yield statements with a running value that is zero before each step, and enters the steps."""
    groups: dict[tuple[int, str], list[Update]] = {}
    for event in trace.of(Update):
        if event.loops and np.ndim(event.after) and not event.inside:
            groups.setdefault((event.at.line, event.name), []).append(event)
    for events in groups.values():
        zero = not any(np.any(e.before) for e in events)
        kept = {e.value for e in events}  # the old array stays where it came from
        again = len(kept) * 2 < len(events)
        often = len({e.step for e in events}) > 2
        lost = zero and often and (again or _decays(events[0]))
        if lost and all(_enters(trace, e) for e in events[:3]):
            yield events[0]


def _decays(event):
    """Return whether a statement multiplies what it changes."""
    with contextlib.suppress(SyntaxError):
        nodes = list(ast.walk(ast.parse(event.at.code)))
        products = [n for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mult)]
        return any(event.name in (ast.unparse(n.left), ast.unparse(n.right)) for n in products)
    return False


def _enters(trace, event):
    """Return whether a later update of the step uses a value, or the gradient that it averages."""
    for later in trace.of(Update):
        if later.trains and later.step == event.step and later.index > event.index:
            if np.shape(later.after) != np.shape(event.after):
                continue
            for _, value in leaves_of(trace, later):
                own = [event.after, *event.sources.values()]
                if np.any(value) and any(np.array_equal(value, one) for one in own):
                    return True
    return False


def leaves_of(trace: Trace, event: Update) -> list[tuple[str, Array]]:
    """Return the arrays that lead to an update in its own step."""
    before = [e.index for e in trace.of(Update) if e.trains and e.step < event.step]
    own = Window(trace, max(before, default=-1), event.index, event.index)
    return list(leading_arrays(own, event))
