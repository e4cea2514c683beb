"""Ledger of a script's gradients: what added to each, which step used it, and what removed it."""

import ast
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.script.events import (
    Backward,
    Event,
    GradientWrite,
    OptimizerMade,
    OptimizerStep,
    Trace,
    Update,
    ZeroGrad,
)
from firstlight.tools.diagnose.probes.script.source_text import around, called_name


@dataclass
class Contribution:
    """What one event added to the gradient of a parameter.

    Attributes
    ----------
    event : Backward or GradientWrite
    parameter : Parameter
    array : array
    used_by : list of Event
        The steps that used it.
    removed_by : Event or None
        What set the gradient to zero.
    """

    event: Event
    parameter: Parameter
    array: Array
    used_by: list[Event] = field(default_factory=list)
    removed_by: Event | None = None


@dataclass
class Use:
    """One step's use of the gradient of a parameter.

    Attributes
    ----------
    event : OptimizerStep or Update
    parameter : Parameter
    parts : list of Contribution
        That the gradient consists of.
    gradient : array or None
        None if it was not recorded.
    scaled : bool
        Whether something other than an addition changed it.
    """

    event: Event
    parameter: Parameter
    parts: list[Contribution]
    gradient: Array | None
    scaled: bool

    @property
    def is_explained(self) -> bool:
        """Whether the gradient is the sum of its parts."""
        total = sum((part.array for part in self.parts), np.zeros(self.parameter.shape))
        return self.gradient is not None and np.allclose(self.gradient, total, 1e-3, 1e-7)


class TrainingLoop(Evidence):
    """The trace of a script's hand-written training, with a ledger of its gradients.

    Attributes
    ----------
    trace : Trace
    contributions : list of Contribution
    uses : list of Use
    """

    group = "training"
    subject = "training loop"
    where = "training loop"

    def __init__(self, trace: Trace):
        self.trace: Trace = trace
        self.contributions: list[Contribution] = []
        self.uses: list[Use] = []
        self._open: dict[int, list[Contribution]] = {}
        self._scaled: set[int] = set()
        for event in trace.events:
            self._enter(event)

    def _enter(self, event):
        if isinstance(event, Backward):
            for parameter, array in event.added:
                self._add(event, parameter, array)
        elif isinstance(event, ZeroGrad):
            for parameter in event.parameters:
                self._remove(event, parameter)
        elif isinstance(event, GradientWrite):
            if not event.after.any():
                self._remove(event, event.parameter)
            elif is_scaling(event):
                self._scaled.add(id(event.parameter))
            else:
                self._add(event, event.parameter, event.after - event.before)
        elif isinstance(event, OptimizerStep):
            for parameter, gradient in zip(event.parameters, event.gradients, strict=True):
                self._use(event, parameter, gradient)
        elif isinstance(event, Update) and event.parameter is not None and event.loops:
            self._use(event, event.parameter, self._read(event))

    def _add(self, event, parameter, array):
        if array.any():
            made = Contribution(event, parameter, array)
            self.contributions.append(made)
            self._open.setdefault(id(parameter), []).append(made)

    def _remove(self, event, parameter):
        self._scaled.discard(id(parameter))
        for part in self._open.pop(id(parameter), []):
            part.removed_by = event

    def _use(self, event, parameter, gradient):
        parts = list(self._open.get(id(parameter), []))
        self.uses.append(Use(event, parameter, parts, gradient, id(parameter) in self._scaled))
        for part in parts:
            part.used_by.append(event)

    def _read(self, event):
        """Return the gradient that statements before an update have read."""
        p = event.parameter
        total = sum((c.array for c in self._open.get(id(p), [])), np.zeros(p.shape))
        for earlier in reversed(self.trace.events[: event.index + 1]):
            if isinstance(earlier, Backward):
                return None
            for value in earlier.sources.values() if isinstance(earlier, Update) else ():
                if np.shape(value) == p.shape and np.allclose(value, total, 1e-3, 1e-7):
                    return value
        return None

    @functools.cached_property
    def steps(self) -> list[OptimizerStep]:
        """The steps of optimizers."""
        return self.trace.of(OptimizerStep)

    @functools.cached_property
    def moved(self) -> set[int]:
        """Ids of the parameters that something in the script changes."""
        found = {id(one.parameter) for one in self.trace.of(Update) if one.parameter is not None}
        for step in self.steps:
            for p, before, after in zip(step.parameters, step.before, step.after, strict=False):
                if not np.array_equal(before, after):
                    found.add(id(p))
        return found

    def by_optimizer(self) -> Iterator[tuple[Place, list[OptimizerStep]]]:
        """Yield the line that makes an optimizer, and its steps."""
        made = {id(one.optimizer): one.at for one in self.trace.of(OptimizerMade)}
        groups: dict[int, list[OptimizerStep]] = {}
        for step in self.steps:
            groups.setdefault(id(step.optimizer), []).append(step)
        for key, steps in groups.items():
            yield made.get(key, steps[0].at), steps

    def own_arrays(self) -> Iterator[tuple[Update, Update]]:
        """Yield the first and the last update of each array that the script trains itself."""
        groups: dict[Any, list[Update]] = {}
        for event in self.trace.of(Update):
            if event.trains and np.ndim(event.after):
                groups.setdefault(event.value, []).append(event)
        for group in groups.values():
            steps = itertools.pairwise(group)
            if len(group) > 1 and all(np.array_equal(a.after, b.before) for a, b in steps):
                yield group[0], group[-1]

    def name_of(self, parameter: Parameter) -> str:
        """Return a parameter's name in the script, "" if it has none."""
        for event in self.trace.of(Backward):
            for inner, own in event.module.named_parameters():
                if own is parameter:
                    return self.trace.name_of(own, f"{type(event.module).__name__}.{inner}")
        return self.trace.name_of(parameter, "")

    def call_line(self, event: Event) -> Place:
        """Return the line that calls the function of an event's line, unless that one trains."""
        at, tree = event.at, self.tree
        for _ in range(4):
            inside = around(tree, at.line, ast.FunctionDef)
            within = range(inside[-1].lineno, inside[-1].end_lineno + 1) if inside else ()
            if not inside or any(step.at.line in within for step in self.steps):
                break  # the function that trains
            name = inside[-1].name
            calls = [
                node.lineno
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and called_name(node) == name
            ]
            if len(calls) != 1:
                break
            at = Place.of(at.file, calls[0])
        return at

    @functools.cached_property
    def source(self) -> list[str]:
        """The script's lines."""
        return self.trace.path.read_text(encoding="utf-8").splitlines()

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The script's syntax tree."""
        return ast.parse("\n".join(self.source))


def is_scaling(event: GradientWrite) -> bool:
    """Return whether a write multiplies a gradient or clips its entries."""
    if "+=" in event.at.code or "-=" in event.at.code:
        return False
    return is_scaled(event.before, event.after)


def is_scaled(before: Array, after: Array) -> bool:
    """Return whether an array is another one times a number, or with its entries clipped."""
    before, after = np.ravel(before), np.ravel(after)
    if not before.any():
        return not after.any()
    shrunk = (np.abs(after) <= np.abs(before) * (1 + 1e-6)) & (before * after >= 0)
    ratio = float(before @ after) / float(before @ before)
    return bool(shrunk.all()) or np.allclose(after, ratio * before, 1e-3, 1e-7)
