"""Loops of a script that run, and the numbers of the steps in its trace."""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from firstlight.tools.diagnose.probes.events import Event, OptimizerStep, Trace, Update
from firstlight.tools.diagnose.probes.instrument import Site


@dataclass
class Running:
    """A loop that runs: its site and frame, and the trained values that it updated."""

    site: Site
    code: Any
    run: int
    number: int = 0
    updated: dict[Any, int] = field(default_factory=dict)  # value: iteration of its latest update
    repeated: bool = False


def around(frame: FrameType, running: Iterable[Running]) -> list[Running]:
    """Return the loops of a frame that run around its current line, outermost first."""
    found = [
        one
        for one in running
        if one.code is frame.f_code and one.site.line <= frame.f_lineno <= one.site.end
    ]
    return sorted(found, key=lambda one: (one.site.line, -one.site.end))


def number_steps(trace: Trace, trained: set[Any]) -> None:
    """Set ``step`` of all events, and ``trains`` of the updates.

    Parameters
    ----------
    trace : Trace
    trained : set
        ``value`` of the updates of trained values, and ids of the optimizers.
    """
    group: dict[Any, Event] = {}
    ends: list[int] = []
    for event in trace.of(OptimizerStep, Update):
        key = event.value if isinstance(event, Update) else id(event.optimizer)
        if key not in trained:
            continue
        if isinstance(event, Update):
            event.trains = True
        first = next(iter(group.values()), event)
        again = key in group and not _goes_on(group[key], event)
        if again or first.loops[:1] != event.loops[:1]:
            ends.append(max(one.index for one in group.values()))
            group = {}
        group[key] = event
    for event in trace.events:
        event.step = bisect.bisect_left(ends, event.index)


def _goes_on(earlier, event):
    """Return whether another statement right after an update changes the same value once more."""
    return earlier.index == event.index - 1 and earlier.at.line != event.at.line
