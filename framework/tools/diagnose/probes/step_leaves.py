"""The arrays of a step that lead to an update: among them is the gradient that it uses."""

from collections.abc import Iterator

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.events import Assigned, Update
from firstlight.tools.diagnose.probes.ledger import is_scaled
from firstlight.tools.diagnose.probes.replay import Window

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
