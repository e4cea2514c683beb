"""Flow of samples through a script: which reach a step, an evaluation, or a statistic."""

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.flow.flow_events import Entry, Pairing, Step, union
from firstlight.tools.diagnose.probes.flow.flow_recorder import FlowRecorder
from firstlight.tools.diagnose.probes.flow.traced_array import Draw, Holder, Reduction, Source
from firstlight.tools.diagnose.probes.flow.traced_random import tracing_numpy
from firstlight.tools.diagnose.probes.script.events import Trace, Update
from firstlight.tools.diagnose.probes.script.program import script_tree
from firstlight.tools.diagnose.probes.script.trace import trace


@dataclass
class Split:
    """The inputs of one training, and the samples that are held out.

    Attributes
    ----------
    statistics : frozenset of Reduction
        That the inputs of the training contain.
    trained, held_out : array of int
        Samples; also those that others consist of, such as a window's.
    """

    statistics: frozenset[Reduction]
    trained: Array
    held_out: Array


@dataclass
class Part:
    """A named part of the samples that is evaluated.

    Attributes
    ----------
    at : Place
        The evaluation.
    samples, trained : array of int
        Those of the part, and those of the steps before.
    holder : Holder
    """

    at: Place
    samples: Array
    trained: Array
    holder: Holder


class SampleFlow(Evidence):
    """The flow of a script's samples.

    Attributes
    ----------
    trace : Trace
    steps : list of Step
    pairings : list of Pairing
    sources : list of Source
    entries : list of Entry
    forwards : list of array of int
        The samples of each forward of a module with parameters.
    masks : list of Draw
        That were applied to what depends on trained parameters.
    updates : list of (Update, frozenset of Reduction)
        Each with what the value contains.
    """

    group, subject, where = "data", "flow of samples", "data"

    def __init__(self, recorder: FlowRecorder):
        self.trace: Trace = recorder.trace
        self.steps: list[Step] = recorder.steps_made
        self.pairings: list[Pairing] = recorder.pairings
        self.sources: list[Source] = recorder.sources
        self.entries: list[Entry] = recorder.entries
        self.forwards: list[Array] = recorder.forwards
        self.masks: list[Draw] = recorder.rules.masks
        self.updates: list[tuple[Update, frozenset[Reduction]]] = recorder.updates
        self.detail = f"{len(self.steps)} steps"
        self._recorder = recorder

    @functools.cached_property
    def evaluations(self) -> list[Reduction]:
        """What depends on trained parameters and belongs to no step."""
        last: dict[Any, int] = {}
        for step in self.steps:
            loops = step.event.loops
            for depth in range(len(loops) + 1):
                last[loops[:depth]] = step.event.index
        reductions = self._recorder.rules.reductions
        fitted = [one for one in reductions if one.fitted and len(one.samples)]
        found = [one for one in fitted if self._step_around(last, one.loops) <= one.forward]
        if self.trace.ended and self.steps:  # the last step may be unfinished
            end = self.steps[-1].event
            found = [
                one for one in found if one.index <= end.index or one.loops[:1] != end.loops[:1]
            ]
        return found

    @staticmethod
    def _step_around(last, loops):
        """Return the index of the last step in the innermost iteration that has steps."""
        around = (loops[:depth] for depth in range(len(loops), -1, -1))
        return next((last[turns] for turns in around if turns in last), -1)

    @functools.cached_property
    def trained(self) -> Array:
        """The samples that steps used."""
        return union(step.samples for step in self.steps)

    @functools.cached_property
    def splits(self) -> list[Split]:
        """The training of the script's own loop, and each fit."""
        found = []
        if self.steps:
            statistics = frozenset(one for step in self.steps for one in step.statistics)
            evaluated = union(one.samples for one in self.evaluations)
            found.append((statistics, self.trained, evaluated))
        for _, train, val in self._recorder.fits:
            if val.ids is not None:
                found.append((train.reductions, union([train.ids]), union([val.ids])))
        splits = []
        for statistics, trained, evaluated in found:
            held_out = np.setdiff1d(evaluated, trained)
            whole = [union([part, self.in_windows(part)]) for part in (trained, held_out)]
            splits.append(Split(statistics, *whole))
        return splits

    @functools.cached_property
    def batched(self) -> set[int]:
        """Numbers of the named arrays that batches are taken from."""
        found, left = set(), [step.holder for step in self.steps]
        while left:
            holder = left.pop()
            if holder is not None and holder.index not in found:
                found.add(holder.index)
                left.append(holder.parent)
        return found

    @functools.cached_property
    def parts(self) -> list[Part]:
        """The named parts of the samples that are evaluated, with what was trained before."""
        groups: dict[Any, list[Reduction]] = {}
        for one in self.evaluations:
            if (holder := self.part(one.holder)) is not None:
                groups.setdefault((self.line(one).line, holder.index), []).append(one)
        found = []
        for group in groups.values():
            samples, holder = union(one.samples for one in group), self.part(group[0].holder)
            trained = self._trained_before(group[-1])
            found.append(Part(self.line(group[0]), samples, trained, holder))
        for at, train, val in self._recorder.fits:
            if val.ids is not None and val.holder is not None:
                found.append(Part(at, union([val.ids]), union([train.ids]), val.holder))
        return found

    @property
    def holders(self) -> list[Holder]:
        """The parts of the samples that were named before the training."""
        return self._recorder.named

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The script's syntax tree."""
        return script_tree(self.trace.path)

    def part(self, holder: Holder | None) -> Holder | None:
        """Return the part of the samples, named before the training, that others are taken from."""
        while holder is not None and holder.index > self._recorder.begun:
            holder = holder.parent
        return holder if holder and len(holder.samples) < len(self.whole(holder)) else None

    @staticmethod
    def whole(holder: Holder) -> Array:
        """Return the samples of the longest array that a part was taken from."""
        longest = holder
        while holder.parent is not None:
            holder = holder.parent
            longest = max(longest, holder, key=lambda one: len(one.samples))
        return longest.samples

    def line(self, evaluation: Reduction) -> Place:
        """Return the line of an evaluation in the innermost function that steps are made in."""
        calls = self._recorder.calls
        return next((at for call, at in evaluation.calls if call in calls), evaluation.at)

    def _trained_before(self, evaluation):
        """Return the samples of the steps that made the parameters of an evaluation."""
        before = [step for step in self.steps if step.event.index <= evaluation.index]
        return union(step.samples for step in before if step.key == before[-1].key)

    def in_windows(self, samples: Array) -> Array:
        """Return the samples that others consist of, such as windows of a series."""
        return union(rows for rows in self._windows(samples))

    def seen_in_windows(self, samples: Array, trained: Array) -> Array:
        """Return which share of each window's values is part of windows of the training."""
        seen, rows = self.in_windows(trained), self._windows(samples)
        long = [one.reshape(len(one), -1) for one in rows if one.ndim > 1]
        return np.isin(long[0], seen).mean(axis=1) if long else np.zeros(0)

    def _windows(self, samples):
        inside = [(one, samples - one.first) for one in self.sources if one.parts is not None]
        rows = [one.parts[at[(at >= 0) & (at < len(one.values))]] for one, at in inside]
        return [one for one in rows if len(one)]


def sample_flow(path: Path, arguments: Sequence[str], reference: Trace) -> SampleFlow:
    """Run a script with traced arrays."""
    updates = [
        one
        for one in reference.of(Update)
        if one.trains and not _is_reordered(one.before, one.after)
    ]
    trained = {(one.at.line, one.name) for one in updates}
    arrays = {id(one.target): one for one in updates}.values()
    trained |= {(one.at.line, reference.name_of(one.target, one.name)) for one in arrays}
    recorder = FlowRecorder(path, trained)
    with tracing_numpy(recorder.rules):
        trace(path, list(arguments), recorder)
    return SampleFlow(recorder)


def _is_reordered(one, other):
    return np.ndim(one) > 0 and np.array_equal(np.sort(one, axis=None), np.sort(other, axis=None))
