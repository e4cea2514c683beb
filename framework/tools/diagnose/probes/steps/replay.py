"""Replay: a step of a script's training, repeated with one of its arrays moved by a little.

The step is repeated in float64, from the beginning of the script. Modules are cut out: in a replay
the outermost forwards return what they returned before, so that only the script's own code links
their outputs to their inputs and to its loss. Updates of parameters are fixed in the same way.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.diagnose.probes.arrays import (
    as_float64,
    flattened,
    is_float,
    map_arrays,
    nested_like,
    root_mean_square,
    standard_normal,
)
from firstlight.tools.diagnose.probes.script.events import (
    Assigned,
    Event,
    Forward,
    OptimizerStep,
    Scalar,
    Trace,
    Update,
)
from firstlight.tools.diagnose.probes.script.instrument import Site
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import StopScript
from firstlight.tools.diagnose.probes.script.step_numbers import number_steps

Key = tuple[str, int, int]


class DoubleRecorder(Recorder):
    """A recorder of a run in float64."""

    float64 = True

    def initial(self, data: Any) -> Any:
        """Return the initial values of a parameter in float64."""
        return as_float64(data) if is_float(data) else data

    def output(self, event: Forward, call: Any, inputs: Any) -> Any:
        """Return the output for float64 inputs."""
        return call(*(map_arrays(x, as_float64) if _is_single(x) else x for x in inputs))


@dataclass
class Window:
    """The events of one step: from the end of the step before to its own end.

    Attributes
    ----------
    trace : Trace
        In float64.
    start, end : int
        Index of the last update of the step before, and of this one.
    last : int
        Index at which a replay ends.
    """

    trace: Trace
    start: int
    end: int
    last: int
    _known: dict[Any, list[Any]] = field(default_factory=dict, repr=False)

    def of(self, *kinds: type[Event], until: int | None = None) -> list[Any]:
        """Return its events of some classes."""
        end = self.end if until is None else until
        if (kinds, end) not in self._known:
            own = self.trace.events[self.start + 1 : end + 1]
            self._known[kinds, end] = [event for event in own if isinstance(event, kinds)]
        return self._known[kinds, end]


@dataclass
class Moved:
    """What a replay measured.

    Attributes
    ----------
    scalars : dict of key to float
    inputs : dict of key to tuple
        Of the forwards.
    """

    scalars: dict[Key, float] = field(default_factory=dict)
    inputs: dict[Key, Any] = field(default_factory=dict)


def is_transparent(event: Forward) -> bool:
    """Return whether a module is a function that returns one number: a loss, which is not cut."""
    nested = isinstance(event.output, (tuple, list, dict)) or event.output is None
    return not nested and np.ndim(event.output) == 0 and not event.module.parameters()


class Replay(DoubleRecorder):
    """A recorder of a run that repeats a window with arrays moved.

    Parameters
    ----------
    path : Path
    window : Window
    free : bool
        Fix nothing after the window's beginning, which moves only.
    lines : set of int, optional
        Record these lines only, and those that train or compute numbers; by default all.
    brief : bool
        End at the step's last update; numbers that are computed later may include its loss.
    moves : mapping
        What is added, nested as an output or an array: to the output of a forward by its key, to a
        `Parameter` by ("parameter", number) and to another value by its `Update.value`.
    """

    def __init__(
        self,
        path: Path,
        window: Window,
        moves: Mapping[Any, Any],
        *,
        free: bool = False,
        brief: bool = False,
        lines: Set[int] | None = None,
    ):
        super().__init__(path)
        self.ends: int = window.end if brief else window.last
        self.window, self.moves, self.free, self.found = window, moves, free, Moved()
        self.latest: dict[Any, int] = {}  # index of the latest update of each value before
        self.reference: dict[Key, Event] = {event.key: event for event in window.trace.events}
        for event in window.trace.of(Update):
            if event.trains and event.index <= window.start:
                self.latest[event.value] = event.index
        events = window.trace.events
        self.start: Key | None = events[window.start].key if window.start >= 0 else None
        self.begun: bool = self.start is None
        self._recorded: set[int] = {e.at.line for e in events if not isinstance(e, Assigned)}
        self._kept: Set[int] | None = (
            None
            if lines is None
            else lines
            | {
                e.at.line
                for e in events
                if not isinstance(e, Assigned) and (not isinstance(e, Update) or e.trains)
            }
        )

    def skips(self, site: Site) -> bool:
        """Return whether nothing that a statement does is of use."""
        if self._kept is not None:
            return site.line not in self._kept
        return not self.begun and site.line not in self._recorded

    def add(self, event: Event) -> None:
        """Append an event; end the script behind the window."""
        super().add(event)
        if event.key == self.start:
            self.begun = True
            skipped = [e for e in self.window.trace.of(Assigned) if e.index <= self.window.start]
            self._ordinals |= {e.key[:2]: e.key[2] for e in skipped}
        known = self.reference.get(event.key)
        if known is not None and known.index > self.ends:
            raise StopScript("the step is over")
        if isinstance(event, Scalar):
            self.found.scalars[event.key] = event.value

    def output(self, event: Forward, call: Any, inputs: Any) -> Any:
        """Return the output of the reference, moved if that is wanted."""
        y = super().output(event, call, inputs)
        known = self.reference.get(event.key)
        if self.free or not isinstance(known, Forward) or known.index <= self.window.start:
            return y
        self.found.inputs[event.key] = event.inputs
        if is_transparent(known) or known.backward is None and self._is_moved(event, known):
            return y  # without a backward, its gradient may go another way
        return added(known.output, self.moves.get(event.key))

    def finish(self) -> Trace:
        """Return the trace; what is trained is known from the reference."""
        trained = {event.value for event in self.window.trace.of(Update) if event.trains}
        number_steps(self.trace, trained | {id(e.optimizer) for e in self.trace.of(OptimizerStep)})
        return self.trace

    def stepped(self, event: OptimizerStep) -> None:
        """Set the parameters to the values of the reference."""
        known = self.reference.get(event.key)
        if isinstance(known, OptimizerStep) and self._fixes(known):
            for parameter, after in zip(event.parameters, known.after, strict=True):
                parameter.data[...] = after
            self._begin(known)

    def updated(self, event: Update, value: Any) -> Any:
        """Return the value of the reference, moved if the window begins."""
        known = self.reference.get(event.key)
        if not isinstance(known, Update) or not known.trains or not self._fixes(known):
            return value
        wanted = known.after
        if known.index <= self.window.start:
            event.after = wanted  # a replay of this one adds the move again
        if self.latest.get(known.value) == known.index:
            wanted = added(wanted, self.moves.get(known.value))
        if isinstance(value, np.ndarray) and not event.rebinds:
            value[...] = wanted
        else:
            value = wanted if np.ndim(wanted) else type(value)(wanted)
        self._begin(known)
        return value

    def _fixes(self, known):
        return not self.free or known.index <= self.window.start

    @staticmethod
    def _is_moved(event, known):
        moved = zip(flattened(event.inputs), flattened(known.inputs), strict=True)
        return any(is_float(a) and not np.array_equal(a, b) for a, b in moved)

    def _begin(self, known):
        """Move the parameters at the beginning of the window."""
        if known.index == self.window.start:
            for number, parameter in enumerate(self.parameters):
                move = self.moves.get(("parameter", number))
                if move is not None:
                    parameter.data[...] += move


def _is_single(value):
    return any(is_float(leaf) and leaf.dtype.itemsize < 8 for leaf in flattened(value))


def added(value: Any, move: Any) -> Any:
    """Return a copy of a nested value plus a move that is nested alike; None moves nothing."""
    if isinstance(value, (tuple, list)):
        moves = [None] * len(value) if move is None else move
        return tuple(added(v, m) for v, m in zip(value, moves, strict=True))
    if move is None or not (is_float(value) or isinstance(value, float)):
        return value.copy() if isinstance(value, np.ndarray) else value
    return value + move


def direction(value: Any, seed: int) -> Any:
    """Return a random direction, nested like a value, of the size of its entries."""
    rng = np.random.default_rng(seed)
    parts = [
        standard_normal(rng, v) * root_mean_square(np.asarray(v)) if _moves(v) else None
        for v in flattened(value)
    ]
    return nested_like(value, iter(parts))


def scaled(move: Any, factor: float) -> Any:
    """Return a nested move times a factor."""
    return map_arrays(move, lambda part: None if part is None else part * factor)


def inner(a: Any, b: Any) -> float:
    """Return the inner product of nested values, without parts that are None or differ in shape."""
    return sum(
        float(np.sum(np.asarray(x) * np.asarray(y)))
        for x, y in zip(flattened(a), flattened(b), strict=False)
        if _moves(x) and _moves(y) and np.shape(x) == np.shape(y)
    )


def difference(a: Any, b: Any) -> Any:
    """Return a - b of nested values, None for parts that are no floating-point arrays."""
    parts = [
        np.asarray(x) - np.asarray(y) if _moves(x) and _moves(y) else None
        for x, y in zip(flattened(a), flattened(b), strict=True)
    ]
    return nested_like(a, iter(parts))


def _moves(value):
    return is_float(value) or isinstance(value, (float, np.floating))


def owned(parameters: list[Parameter]) -> dict[int, int]:
    """Return the numbers of parameters by their id."""
    return {id(parameter): number for number, parameter in enumerate(parameters)}
