"""Loops of a script that run, and which values they train: counts and numbers of its steps."""

import bisect
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.script.events import (
    Event,
    OptimizerStep,
    Scalar,
    Trace,
    Turn,
    Update,
)
from firstlight.tools.diagnose.probes.script.instrument import Site

TURNS = 4  # of an inner loop, after which an array from which it subtracts is being trained
UNMEASURED = 12  # iterations after which an array may be trained in a loop without any number


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


class StepCounts:
    """The steps of each value that a script may train.

    Attributes
    ----------
    counts : dict of key to int
        Steps of each trained value.
    by_run : dict of int to Running
        The loops, by the number of their run.
    """

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self.by_run: dict[int, Running] = {}
        self._measured: dict[int, set[Any]] = {}  # lines and names of scalars, by outermost loop
        self._changes: dict[Any, tuple[float, float]] = {}  # of numbers, at their latest update
        self._first: dict[Any, int] = {}  # iteration, by value and run of the outermost loop
        self._turns: dict[Any, set[tuple[Turn, ...]]] = {}  # iterations that updated a value

    def measure(self, event: Scalar) -> None:
        """Note a number of a loop, which could be its loss."""
        if event.loops:
            self._measured.setdefault(event.loops[0].run, set()).add((event.at.line, event.name))

    def add(self, key: Any, event: Any, *, certain: bool, descends: bool = False) -> None:
        """Count a step of a trained value in each loop that runs."""
        loops = event.loops
        if not certain and np.ndim(event.after) == 0 and self._decays(key, event):
            self.counts.pop(key, None)
            for running in self.by_run.values():
                running.updated.pop(key, None)
            return
        measured = self._measured.get(loops[0].run, set()) if loops else set()
        outer = loops[0] if loops else Turn(0, 0, 0)
        again = self._first.setdefault((key, outer.run), outer.number) != outer.number
        (turns := self._turns.setdefault(key, set())).add(loops)
        late = len(turns) >= UNMEASURED and np.ndim(event.after) > 0
        late = late and not _fills(event)
        if not certain and not late and not measured - {(event.at.line, event.name)}:
            return  # nothing is measured in this loop that could be a loss
        if not certain and not again and not (descends and len(turns) >= TURNS):
            return  # an accumulator that an inner loop fills, so far
        self.counts[key] = self.counts.get(key, 0) + 1
        for turn in loops:
            running = self.by_run[turn.run]
            running.repeated |= running.updated.get(key, turn.number) != turn.number
            running.updated[key] = turn.number

    def are_enough(self, running: Running, steps: int) -> bool:
        """Return whether all values that a loop trains had some steps, and it goes on to repeat."""
        counts = [self.counts[key] for key in running.updated]
        # Of many numbers, some may be taken for others.
        each = min(counts, default=0) >= steps or max(counts, default=0) >= 10 * steps
        return running.repeated and each

    def _decays(self, key, event):
        """Return whether a number changes by the same factor or amount as the time before."""
        before, after = float(event.before), float(event.after)
        change = after / (before or 1.0), after - before
        known = self._changes.get(key, (math.nan, math.nan))
        self._changes[key] = change
        return any(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(change, known, strict=True))


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
    events = [(_key(event), event) for event in trace.of(OptimizerStep, Update)]
    events = [(key, event) for key, event in events if key in trained]
    depth = _depth(events)
    for key, event in events:
        if isinstance(event, Update):
            event.trains = True
        first = next(iter(group.values()), event)
        again = key in group and not _goes_on(group[key], event)
        if again or first.loops[:depth] != event.loops[:depth]:
            ends.append(max(one.index for one in group.values()))
            group = {}
        group[key] = event
    for event in trace.events:
        event.step = bisect.bisect_left(ends, event.index)


def _key(event):
    return event.value if isinstance(event, Update) else id(event.optimizer)


def _depth(events):
    """Return how many loops around the updates distinguish steps: those in which all repeat."""
    latest: dict[Any, Event] = {}
    depths: dict[Any, Counter[int]] = {}
    for key, event in events:
        turns = enumerate(zip(latest.get(key, event).loops, event.loops, strict=False), 1)
        if differ := next((n for n, (a, b) in turns if a != b), 0):
            depths.setdefault(key, Counter())[differ] += 1
        latest[key] = event
    return min((one.most_common(1)[0][0] for one in depths.values()), default=1)


def _goes_on(earlier, event):
    """Return whether another statement right after an update changes the same value once more."""
    return earlier.index == event.index - 1 and earlier.at.line != event.at.line


def _fills(event):
    """Return whether a single entry of an array changes, as in a loop that fills it."""
    before, after = event.before, event.after
    if not type(before) is type(after) is np.ndarray or before.shape != after.shape:
        return False  # e.g. an array that knows its samples
    return after.size > 1 and np.count_nonzero(before != after) == 1
