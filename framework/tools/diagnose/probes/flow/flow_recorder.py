"""Recorder of a script that computes with traced arrays: samples of its steps and comparisons."""

import itertools
import math
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.flow.flow_events import Entry, Pairing, Step, union
from firstlight.tools.diagnose.probes.flow.sample_ids import (
    is_beside_windows,
    is_order,
    same_rows,
)
from firstlight.tools.diagnose.probes.flow.traced_array import (
    Holder,
    Origin,
    Reduction,
    Source,
    TracedArray,
    plain,
    traced_in,
)
from firstlight.tools.diagnose.probes.flow.traced_rules import Rules
from firstlight.tools.diagnose.probes.script.events import (
    Event,
    Fit,
    Forward,
    OptimizerStep,
    Update,
)
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import StopScript
from firstlight.tools.diagnose.probes.script.step_numbers import Running

STEPS, SECONDS = 150, 0.4  # that are followed: steps, and CPU time from the first one
WHOLE, EPOCH = 2.0, 1.0  # CPU seconds of the script, and to complete an epoch, at most
FEWEST = 20  # rows of an array of samples
ENTRIES = 1000  # that are kept
LARGEST = 50_000_000  # bytes of one that is copied


class FlowRecorder(Recorder):
    """A recorder whose script computes with traced arrays.

    Parameters
    ----------
    path : Path
    trained : set of (int, str)
        Lines and names of the updates of trained values.
    """

    def __init__(self, path: Path, trained: set[tuple[int, str]]):
        super().__init__(path, steps=STEPS)
        self.trained = trained
        self.sources: list[Source] = []
        self.steps_made: list[Step] = []
        self.pairings: list[Pairing] = []
        self.entries: list[Entry] = []
        self.forwards: list[Array] = []  # samples that modules with parameters were given
        self.updates: list[tuple[Event, frozenset[Reduction]]] = []  # and what they contain
        self.named: list[Holder] = []  # before the first step
        self.fits: list[tuple[Place, Origin, Origin]] = []  # inputs of training and validation
        self.calls: set[Any] = set()  # functions that a step is made in
        self.begun: int = sys.maxsize  # number of arrays that were assigned before the first step
        self.rules: Rules = Rules(self)
        self._offsets: dict[int, int] = {}  # number of the first sample, by length
        self._flowed: dict[int, Origin] = {}
        self._since: dict[Any, int] = {}  # index of the latest update of each value
        self._holders = itertools.count()
        self._through: list[Any] = []
        self._end, self._last_step = time.thread_time() + WHOLE, math.inf

    def _check_time(self):
        now = time.thread_time()
        steps = self.steps_made
        first_epoch = bool(steps) and steps[0].event.loops[:1] == steps[-1].event.loops[:1]
        if now > self._last_step + EPOCH * first_epoch:
            self.steps = 0  # its loops end, and the script goes on to its evaluation
        if now > self._end:
            raise StopScript("it ran for its time limit")

    @property
    def index(self) -> int:
        """Number of events so far."""
        return len(self.trace.events)

    # --- for the rules --------------------------------------------------------------------------

    def now(self, array: Any) -> tuple[int, Place, tuple[Any, ...], tuple[Any, ...]]:
        """Return the number of events so far, the line that chose what is reduced, loops, calls."""
        (at, loops), frames = self.here(), self._frames()
        for inner, outer in itertools.pairwise(frames):
            names = inner.f_code.co_varnames[: inner.f_code.co_argcount]
            if not any(_is_same(inner.f_locals.get(name), array) for name in names):
                break
            at = Place.of(str(self.path), outer.f_lineno)
        return self.index, at, loops, tuple(map(_call_of, frames))

    def _frames(self):
        """Return the frames of the script, innermost first."""
        frames = (frame for frame, _ in traceback.walk_stack(sys._getframe(1)))
        return [frame for frame in frames if frame.f_code.co_filename == str(self.path)]

    # --- origins --------------------------------------------------------------------------------

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """Give new arrays of samples an origin."""
        return self._known(name, value) if self.active and name.isidentifier() else value

    def _known(self, name, value):
        if type(value) not in (np.ndarray, TracedArray) or value.dtype.kind not in "biuf":
            return value
        old = getattr(value, "origin", Origin())
        known = any(name == trained for _, trained in self.trained)
        if not value.ndim or known or old.fitted or old.draws or value.nbytes > LARGEST:
            return value
        if old.ids is None and is_order(value):
            return value
        rows = old.ids.ravel() if old.ids is not None and old.ids.size == len(value) else None
        at, parts, order = self.here()[0], None, next(self._holders)
        first = self._offsets.get(len(value))
        if rows is not None:
            value.origin.holder = Holder(name, at, rows.copy(), order, old.holder)
            if not self.steps_made:
                self.named.append(value.origin.holder)
            if len(value) >= FEWEST and is_beside_windows(rows, self.sources):
                parts = old.ids
            elif first is None or not np.array_equal(rows, first + np.arange(len(value))):
                return value
        elif len(value) < FEWEST:
            return value
        elif old.ids is not None:
            parts = np.broadcast_to(old.ids, value.shape)
        elif (same := same_rows(value, () if self.steps_made else self.sources)) is not None:
            source, numbers = same
            whole = Holder(source.name, source.at, source.numbers, next(self._holders))
            ids = numbers.reshape(-1, *(1,) * (value.ndim - 1))
            holder = Holder(name, at, numbers, order, whole)
            self.named += [] if self.steps_made else [holder]
            return self.rules.made(value, Origin(ids, source, holder=holder))
        first = self._offsets.setdefault(len(value), sum(self._offsets) + 1000)
        source = Source(name, at, plain(value).copy(), first, parts)
        self.sources.append(source)
        numbers = first + np.arange(len(value))
        ids = numbers.reshape(-1, *(1,) * (value.ndim - 1))
        holder = Holder(name, at, numbers, order, old.holder)
        result = self.rules.made(value, Origin(ids, source, old.reductions, False, holder))
        source.live = id(result)
        return result

    def turned(self, running: Running, frame: FrameType) -> None:
        """Name the parts of samples that a function was given, at the beginning of its loop."""
        code = frame.f_code
        for name in code.co_varnames[: code.co_argcount] if not running.number else ():
            old = getattr(frame.f_locals.get(name), "origin", Origin())
            whole = old.holder and old.holder.samples
            if old.ids is not None and old.source is not None and len(old.ids) < np.size(whole):
                self.assigned(running.site, name, frame.f_locals[name])

    def drawing(self) -> Place | None:
        """Return the line that draws random numbers, None before the training and in modules."""
        return self.here()[0] if self.steps_made and self.active and not self.inside else None

    def entered(self, array: TracedArray) -> None:
        """Keep an input of a layer that is computed from nothing trained."""
        if len(self.entries) < ENTRIES:
            self.entries.append(Entry(self.index, plain(array), array.origin))

    def wrote(self, array: Array, origin: Origin) -> None:
        """Keep the origin of what was added to an array without one."""
        self._flowed[id(array)] = origin

    def reordered(self, origin: Origin) -> None:
        """Note a shuffle in place."""
        old, at = origin.holder, self.here()[0]
        if old is not None and origin.ids is not None:
            order = origin.ids.ravel().copy()
            origin.holder = Holder(old.name, at, order, next(self._holders), old)

    def compared(self, one: Origin, other: Origin) -> None:
        """Keep predictions that meet the labels of other samples."""
        if one.fitted == other.fitted or one.source is None or other.source is None:
            return
        predicted, labels = (one, other) if one.fitted else (other, one)
        self._pair(predicted, labels, self.here()[0])

    def _pair(self, predicted, labels, at):
        given = predicted.ids.ravel(), labels.ids.ravel()
        if predicted.source.first == labels.source.first and given[0].shape == given[1].shape:
            holders = predicted.holder, labels.holder
            self.pairings.append(Pairing(at, predicted.source, labels.source, *given, holders))

    # --- steps ----------------------------------------------------------------------------------

    def updated(self, event: Update, value: Any) -> Any:
        """Record the samples of an update of a trained value."""
        own = getattr(value, "origin", Origin())
        if own.ids is None and own.reductions and "-=" not in event.at.code:
            self.updates.append((event, own.reductions))
        if (event.at.line, event.name) not in self.trained:
            return value
        origin = self._flowed.pop(id(value), None) or getattr(value, "origin", Origin())
        begin = self._since.get(event.value, 0)
        fresh = [one for one in origin.reductions if one.index >= begin and self._in(one, event)]
        parts = [one.samples for one in fresh]
        if origin.ids is not None and origin.source is not None and fresh == []:
            parts.append(origin.ids[origin.ids >= 0])
        older = [one for one in origin.reductions if one not in fresh]
        self._since[event.value] = event.index
        holders = [one.holder for one in (*fresh, origin) if one.holder is not None]
        self._stepped(event, event.at, parts, older, holders)
        if isinstance(value, TracedArray):
            value.origin = Origin(fitted=True)
        elif isinstance(value, np.ndarray):
            self.rules.fitted[id(value)] = value
        return value

    @staticmethod
    def _in(one, event):
        return bool(one.loops) and bool(event.loops) and one.loops[0].run == event.loops[0].run

    def _stepped(self, event, at, parts, older, holders):
        if not self.steps_made:
            self._last_step, self.begun = time.thread_time() + SECONDS, next(self._holders)
        if parts:
            key = event.value if isinstance(event, Update) else id(event.optimizer)
            step = Step(event, at, union(parts), older, next(iter(holders), None), key)
            self.steps_made.append(step)
            self.calls |= {call for call, _ in map(_call_of, self._frames())}

    def output(self, event: Forward, call: Any, inputs: Any) -> Any:
        """Return a module's output with the origin of its input."""
        traced = traced_in(list(inputs))
        y = call(*plain(inputs))
        known = [one for one in traced if one.origin.ids is not None]
        if len(known) == 2 and np.ndim(y) == 0 and all(one.origin.source for one in known):
            one, other = (k.origin for k in known)
            if not np.array_equal(one.ids.ravel(), other.ids.ravel()):
                self._pair(one, other, self.here()[0])
        parts = y if type(y) is tuple else (y,)
        if not known or not all(np.ndim(one) and len(one) == len(known[0]) for one in parts):
            return y
        own = known[0].origin
        if event.module.parameters():
            self._through.append((event, own))
            self.forwards.append(own.ids)
        made = tuple(self._made_of(own, one) for one in parts if isinstance(one, np.ndarray))
        return y if len(made) < len(parts) else made if type(y) is tuple else made[0]

    def _made_of(self, own, y):
        ids = own.ids.reshape(len(own.ids), -1)[:, 0].reshape(-1, *(1,) * (y.ndim - 1))
        made = Origin(ids, own.source, own.reductions, True, own.holder, self.index)
        return self.rules.made(y, made)

    def stepped(self, event: OptimizerStep) -> None:
        """Record the samples of an optimizer's step."""
        used = [(forward.at, own) for forward, own in self._through if forward.backward is not None]
        self._through = []
        older = [one for _, own in used for one in own.reductions]
        holders = [own.holder for _, own in used if own.holder is not None]
        at = used[0][0] if used else event.at
        self._stepped(event, at, [own.ids for _, own in used], older, holders)

    def add(self, event: Event) -> None:
        """Append an event."""
        super().add(event)
        if isinstance(event, Fit) and self.active:
            self._fit(event.given)

    def _fit(self, given):
        arrays = [traced_in(part) for part in given]
        train, val = ([one.origin for one in part] for part in arrays)
        if train and all(one.ids is not None and one.source for one in train[:2]):
            inputs = [plain(part[0]) for part in arrays if part]
            if len(inputs) < 2 or not np.isin(inputs[1], inputs[0]).all():  # else values show it
                self.fits.append((self.here()[0], train[0], val[0] if val else Origin()))
            if len(train) == 2:
                self._pair(*train, self.here()[0])


def _call_of(frame):
    """Return what identifies a function, and the line that it executes."""
    code = frame.f_code
    name = "<module>" if code.co_name == "<module>" else code
    return name, Place.of(code.co_filename, frame.f_lineno)


def _is_same(one, other):
    if one is other or not isinstance(one, TracedArray) or one.shape != other.shape:
        return one is other
    return one.__array_interface__["data"] == other.__array_interface__["data"]
