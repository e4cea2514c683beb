"""Lost values: running means and sums that a script makes again before each step."""

import ast
import contextlib
from collections.abc import Iterator

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.events import Trace, Update
from firstlight.tools.diagnose.probes.replay import Window
from firstlight.tools.diagnose.probes.step_leaves import leading_arrays


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
