"""Single lines of a training: the one that makes the first NaN, and those without effect."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.script.events import (
    Event,
    OptimizerStep,
    Scalar,
    Trace,
    Update,
)
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.script.ledger import is_scaled
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import StopScript
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.script.values import is_float_value
from firstlight.tools.diagnose.probes.steps.step_check import LOSS_NAMES


@dataclass
class FirstNaN(Evidence):
    """A training whose loss or weights are NaN from its first steps on.

    Attributes
    ----------
    name : str
        What is the first to be NaN.
    at : Place
        The line of the first operation that made NaN of other numbers for it.
    is_empty : bool
        Whether the name is that of an array without entries, which the line assigns.
    """

    name: str
    at: Place | None = None
    is_empty: bool = False
    group = "training"
    subject = "numbers of the script"
    where = "training loop"


class _NaNRecorder(Recorder):
    """A recorder of a run that ends at the first statement that assigns NaN."""

    found: tuple[str, int] | None = None
    empty: tuple[str, int] | None = None  # the first array without entries
    latest: int = 0  # line of the latest invalid operation

    def skips(self, site: Site) -> bool:
        """Let NumPy report operations that make NaN."""
        np.seterr(invalid="call")
        np.seterrcall(self._invalid)
        return False

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """End the script if it assigns NaN."""
        if self.empty is None and isinstance(value, np.ndarray) and not value.size:
            self.empty = name, site.line
        if self.latest and is_float_value(value) and np.isnan(value).any():
            self.found = self.empty or (name, self.latest)
            raise StopScript("the first NaN")
        return value

    def _invalid(self, *_):
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        self.latest = frame.f_lineno if frame is not None else self.latest


def first_nan(path: Path, arguments: Sequence[str], known: Trace) -> FirstNaN | None:
    """Return the evidence of a script whose trace has a loss or weights that are NaN."""
    if not _has_nan(known):
        return None
    recorder = _NaNRecorder(path)
    trace(path, arguments, recorder)
    if recorder.found is None:
        return None
    name, line = recorder.found
    return FirstNaN(name, Place.of(str(path), line), recorder.empty is not None)


def _has_nan(known):
    for event in known.of(Update):
        if event.trains and np.isnan(event.after).any():
            return True
    losses = [e for e in known.of(Scalar) if any(part in e.name.lower() for part in LOSS_NAMES)]
    return any(np.isnan(e.value) for e in losses if e.loops)


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
