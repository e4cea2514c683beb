"""Recorder: what an instrumented script calls; records events, and shortens loops that train."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.recorded_calls import copied
from firstlight.tools.diagnose.probes.script.events import (
    Assigned,
    Event,
    Forward,
    GradientWrite,
    Kept,
    OptimizerStep,
    Scalar,
    Trace,
    Turn,
    Update,
)
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.script.sandbox import TIME_LIMIT, StopScript
from firstlight.tools.diagnose.probes.script.step_numbers import (
    Running,
    StepCounts,
    around,
    number_steps,
)
from firstlight.tools.diagnose.probes.script.values import (
    arrays_in,
    changed_pairs,
    is_float_value,
    is_kept,
    is_number,
    is_small,
    owners,
    substituted,
)

STEPS, SECONDS = 3, 10.0  # of each training, and of the whole script
MOST_KEPT = 400
EVENTS, UNTRAINED = 20_000, 5_000  # that are kept, at most, and before anything is trained


class Recorder:
    """What the instrumented script calls; records events, and shortens loops that train.

    Parameters
    ----------
    path : Path
        The script.
    steps : int
        Steps of each training after which its loop ends.
    seconds : float
        Of CPU time, after which the script ends.
    """

    float64: bool = False
    instruments: bool = True  # whether the script reports its loops, assignments and numbers

    def __init__(self, path: Path, *, steps: int = STEPS, seconds: float = SECONDS):
        self.path, self.steps, self.seconds = path, steps, seconds
        self.until: float = time.thread_time() + seconds
        self.trace: Trace = Trace(path)
        self._file = str(path)
        self.sites: list[Site] = []
        self.parameters: list[Parameter] = []
        self.active: bool = True
        self.inside: bool = False  # a call of a module or an optimizer
        self.kept: int = 0
        self._running: dict[int, dict[int, Running]] = {}  # by frame, site
        self.runs: int = 0  # of loops, so far
        self.unseeded: int = 0  # generators that were made without a seed, so far
        self._waiting = {}
        self._keys: dict[int, tuple[Any, Any]] = {}  # of values by id, kept alive
        self._ordinals: dict[tuple[str, int], int] = {}
        self._steps: StepCounts = StepCounts()

    def loop(self, site: int, iterable: Any) -> Iterator[Any]:
        """Iterate until its trained values had enough steps."""
        running = self._entered(site, sys._getframe(1))
        for number, item in enumerate(iterable):
            self._check_time()
            if number and self._is_enough(running):
                return
            running.number = number
            self.turned(running, sys._getframe(1))
            yield item

    def enter(self, site: int) -> None:
        """Begin a while loop."""
        self._entered(site, sys._getframe(1)).number = -1

    def more(self, site: int) -> bool:
        """Return whether a while loop may continue."""
        self._check_time()
        running = self._running[id(sys._getframe(1))][site]
        if running.number >= 0 and self._is_enough(running):
            return False
        running.number += 1
        self.turned(running, sys._getframe(1))
        return True

    def turned(self, running: Running, frame: FrameType) -> None:
        """Receive the beginning of an iteration, and the frame that runs it."""
        if running.site.line not in self.trace.scopes:
            self.trace.scopes[running.site.line] = dict(frame.f_locals)

    def value(self, site: int, value: Any) -> Any:
        """Record a number that is appended, stored or printed."""
        self._check_time()
        self._scalar(self.sites[site].names[0], value)
        return value

    def before(self, site: int, bases: Any, olds: Any, sources: Any) -> None:
        """Copy the values that a statement may change, and those that it combines."""
        self._check_time()
        where = self.sites[site]
        if self.skips(where):
            return
        kept = {
            text: copied(value)
            for place, (text, value) in enumerate(zip(where.sources, sources, strict=True))
            if is_number(value) and (place < where.leaves or np.ndim(value) == 0)
        }
        olds = [self._written(b, o, where) for b, o in zip(bases, olds, strict=True)]
        self._waiting[site, id(sys._getframe(1))] = (
            [(old, copied(old)) if is_small(old) else (None, None) for old in olds],
            kept,
        )

    def after(self, site: int, place: int, value: Any) -> Any:
        """Record what a statement changed; return what it should have assigned."""
        where = self.sites[site]
        if self.skips(where):
            return self.assigned(where, where.names[place], value)
        olds, sources = self._waiting[site, id(sys._getframe(1))]
        (old, before), name = olds[place], where.names[place]
        if old is None or isinstance(old, (int, float)) and np.ndim(value):  # e.g. m = 0
            if isinstance(value, float):
                value = value * 1.0  # an object of its own, as those of equal constants are one
            if is_float_value(value) and any(
                np.shape(s) == np.shape(value) for s in sources.values()
            ):
                self.add(Assigned(name=name, value=copied(value), sources=sources))
        else:
            resized = isinstance(old, np.ndarray) and np.shape(value) != np.shape(old)
            now = old if resized else value
            if not self._gradient_written(old, before, where.adds):
                for one, was, new in changed_pairs(old, before, now, unchanged=where.adds):
                    wanted = self._updated(name, one, was, new, sources, site)
                    value = wanted if value is new else substituted(value, new, wanted)
        self._scalar(name, value)
        return self.assigned(where, name, value)

    def add(self, event: Event) -> None:
        """Append an event, and complete it with its line and loops."""
        if not self.active:
            return
        if len(self.trace.events) >= (EVENTS if self._steps.counts else UNTRAINED):
            raise StopScript("so many statements were followed that the rest is left out")
        event.index = len(self.trace.events)
        event.at, event.loops = self.here()
        event.inside = self.inside
        kind = type(event).__name__, event.at.line
        self._ordinals[kind] = self._ordinals.get(kind, -1) + 1
        event.key = (*kind, self._ordinals[kind])
        self.trace.events.append(event)
        if isinstance(event, OptimizerStep):
            self._steps.add(id(event.optimizer), event, certain=True)
        if isinstance(event, Scalar):
            self._steps.measure(event)

    def here(self) -> tuple[Place, tuple[Turn, ...]]:
        """Return the script's current line, and the loops around it."""
        frames, frame = [], sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._file:
                frames.append(frame)
            outermost = frames and frame.f_code.co_name == "<module>"
            frame = None if outermost else frame.f_back
        if not frames:
            return Place(self._file), ()
        return Place.of(self._file, frames[0].f_lineno), tuple(
            Turn(one.site.line, one.run, one.number)
            for frame in reversed(frames)
            for one in around(frame, self._running.get(id(frame), {}).values())
        )

    @property
    def has_trained(self) -> bool:
        """Whether a training has begun, after which no file may be written."""
        return bool(self._steps.counts or self.trace.fits)

    def skip(self, runs: int, events: Mapping[tuple[str, int], int]) -> None:
        """Count loops and events that a statement made in another run."""
        self.runs += runs
        for kind, count in events.items():
            self._ordinals[kind] = self._ordinals.get(kind, -1) + count

    @property
    def has_changed_values(self) -> bool:
        """Whether anything that may be trained was changed so far."""
        return self.has_trained or any(isinstance(e, Update) for e in self.trace.events)

    def output(self, event: Forward, call: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """Return the output of a module's outermost forward."""
        return call(*inputs)

    def initial(self, data: Any) -> Any:
        """Return the initial values of a parameter."""
        return data

    def stepped(self, event: OptimizerStep) -> None:
        """Receive a step of an optimizer after it has changed the values."""

    def updated(self, event: Update, value: Any) -> Any:
        """Return what an array or number should be after a statement that changed it."""
        return value

    def skips(self, site: Site) -> bool:
        """Return whether nothing of a statement is recorded."""
        return False

    def assigned(self, site: Site, name: str, value: Any) -> Any:
        """Return what a statement should have assigned."""
        if not self.float64 and self.kept < MOST_KEPT and is_kept(name, value):
            self.kept += 1
            self.add(Kept(name=name, value=value, arrays=[a.copy() for a in arrays_in(value)]))
        return value

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Suspend recording inside the block."""
        was, self.active = self.active, False
        try:
            yield
        finally:
            self.active = was

    def finish(self) -> Trace:
        """Number the steps of the recorded events, and return the trace."""
        number_steps(self.trace, set(self._steps.counts))
        return self.trace

    def _entered(self, site, frame):
        self.runs += 1
        running = Running(self.sites[site], frame.f_code, self.runs)
        self._running.setdefault(id(frame), {})[site] = self._steps.by_run[self.runs] = running
        return running

    def _is_enough(self, running):
        enough = self._steps.are_enough(running, self.steps)
        self.trace.shortened |= enough
        return enough

    def _check_time(self):
        if time.thread_time() > self.until:
            raise StopScript(TIME_LIMIT)

    def _written(self, base, old, site):
        """Return the array that an item assignment writes into, or the old value."""
        if isinstance(base, np.ndarray):
            return base if site.reads_itself or owners(self.parameters, base) else None
        return old

    def _gradient_written(self, old, before, adds):
        written = [p for p, is_grad in owners(self.parameters, old) if is_grad]
        for p in written:
            self.add(GradientWrite(parameter=p, before=before, after=copied(old), adds=adds))
        return bool(written)

    def _updated(self, name, old, before, new, sources, site):
        """Record the change of an array or a number."""
        owner = next((p for p, _ in owners(self.parameters, old)), None)
        event = Update(name=name, target=owner or new, before=before, after=copied(new))
        event.constants = self.sites[site].constants
        event.sources, event.rebinds = sources, new is not old
        event.gradient = None if owner is None else owner.grad.copy()
        self.add(event)
        # A value is named by its first update, which is the same in repeated runs.
        first = event.key[1:] if self.active else (id(old),)
        event.value = key = self._keys.get(id(old), (("value", *first), old))[0]
        if self.active:
            descends = self.sites[site].subtracts and np.ndim(new) > 0
            self._steps.add(key, event, certain=owner is not None, descends=descends)
        wanted = self.updated(event, new)
        for one in (old, new, wanted):
            self._keys[id(one)] = key, one
        return wanted

    def _scalar(self, name, value):
        if is_float_value(value) and np.ndim(value) == 0:
            self.add(Scalar(name=name, value=float(value)))
