"""Statements of a training that change arrays in vain: undone, they leave all numbers the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.events import Event, OptimizerStep, Scalar, Trace, Update
from firstlight.tools.diagnose.probes.ledger import is_scaled
from firstlight.tools.diagnose.probes.recorder import Recorder
from firstlight.tools.diagnose.probes.trace import trace

MOST = 4  # statements that are undone


@dataclass
class WithoutEffect(Evidence):
    """A statement of a training without which all numbers of the script are the same.

    Attributes
    ----------
    event : Update
        Its first change.
    is_late : bool
        Whether it limits an array that an update has used before; else it moves an array that is
        the same again in each step.
    """

    event: Update
    is_late: bool
    group = "training"
    where = "training loop"

    @property
    def subject(self) -> str:
        """What the line of the table is about."""
        return f"line {self.event.at.line}"


class _Undoing(Recorder):
    """A recorder of a run in which one statement changes nothing."""

    undone: Event | None = None

    def updated(self, event: Update, value: Any) -> Any:
        """Return what the array was before the statement."""
        if self.undone is None or _statement(event) != _statement(self.undone):
            return value
        if event.rebinds:
            return event.before
        value[...] = event.before
        return value


def without_effect(path: Path, arguments: Sequence[str], known: Trace) -> Iterator[WithoutEffect]:
    """Yield the evidence of each statement of a trace that changes arrays in vain."""
    groups: dict[Any, list[Update]] = {}
    for event in known.of(Update):
        if event.loops and np.ndim(event.after) and not event.inside and event.parameter is None:
            groups.setdefault(_statement(event), []).append(event)
    lasting = [group for group in groups.values() if len({e.step for e in group}) > 2]
    late = [(group[0], True) for group in lasting if _is_late(group, known)]
    again = [(group[0], False) for group in lasting if _starts_again(group)]
    for first, is_late in [*late, *again][:MOST]:
        recorder = _Undoing(path)
        recorder.undone = first
        if _numbers(trace(path, arguments, recorder), first) == _numbers(known, first):
            yield WithoutEffect(first, is_late)


def _statement(event):
    return event.at.line, event.name


def _starts_again(events):
    """Return whether a statement moves each of its arrays from the same values in each step.

    A step differs from the others, or is computed from an array such as a gradient.
    """
    groups: dict[Any, list[Update]] = {}
    for event in events:
        groups.setdefault(event.value, []).append(event)
    for group in groups.values():
        same = all(np.array_equal(e.before, group[0].before) for e in group)
        ends = {np.asarray(e.after).tobytes() for e in group}
        first = group[0]
        others = [value for name, value in first.sources.items() if name != first.name]
        along = any(np.shape(value) == np.shape(first.after) for value in others)
        if not same or not first.rebinds or len(ends) < 3 and not along:
            return False
    return True


def _is_late(events, known):
    """Return whether a statement limits arrays that training updates have read before."""
    read = [(u.index, value) for u in known.of(Update) if u.trains for value in u.sources.values()]
    return all(
        not e.trains
        and np.any(e.after)
        and is_scaled(e.before, e.after)
        and any(i < e.index and np.array_equal(value, e.before) for i, value in read)
        for e in events
    )


def _numbers(known, undone):
    """Return the values of all events but a statement's own."""
    found = {}
    for event in known.of(Scalar, Update, OptimizerStep):
        if isinstance(event, Scalar):
            found[event.key] = repr(event.value)
        elif isinstance(event, OptimizerStep):
            found[event.key] = repr([np.sum(a) for a in event.after])
        elif _statement(event) != _statement(undone):
            found[event.key] = np.asarray(event.after).tobytes()
    return found
