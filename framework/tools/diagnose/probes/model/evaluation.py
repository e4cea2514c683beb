"""Modules alone: in evaluation, repeated or on single samples, and their running statistics."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import as_float64, flattened, is_float
from firstlight.tools.diagnose.probes.module_state import ModuleState, float64_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call, all_calls

DRAWS = 200  # of random masks, for their mean


@dataclass
class Evaluation(Evidence):
    """The model and its modules without parts, each of which can run on its recorded inputs.

    Attributes
    ----------
    top : Call
        Of the model.
    """

    top: Call
    group = "health"
    subject = "evaluation"

    @property
    def modules(self) -> Iterator["EvaluatedModule"]:
        """Yield the modules without parts, and the model last."""
        first: dict[str, Call] = {}
        for call in all_calls([self.top]):
            if not call.parts or call is self.top:
                first.setdefault(call.name, call)
        for call in sorted(first.values(), key=lambda call: call is self.top):
            yield EvaluatedModule(call)


@dataclass
class EvaluatedModule:
    """One module in evaluation mode.

    Attributes
    ----------
    call : Call
    """

    call: Call

    @cached_property
    def twin(self) -> Module:
        """A float64 copy in evaluation mode."""
        return float64_copy(self.call.module).eval()

    @cached_property
    def inputs(self) -> list[Any]:
        """The recorded inputs in float64."""
        return [as_float64(x) for x in self.call.inputs]

    def run(self, *inputs: Any) -> Any:
        """Return the first output of the copy; on the recorded inputs by default."""
        return flattened(self.twin(*[copy.copy(x) for x in inputs or self.inputs]))[0]

    @cached_property
    def _two_runs(self) -> tuple[Any, ModuleState, Any]:
        first = self.run()
        state = ModuleState(self.twin, attributes=True)
        return first, state, self.run()

    @property
    def changed_buffers(self) -> list[str]:
        """The buffers that an evaluation changes."""
        return self._two_runs[1].changed_buffers()

    @property
    def first(self) -> Any:
        """The output of the first evaluation."""
        return self._two_runs[0]

    @property
    def repeatable(self) -> bool:
        """Whether two evaluations give the same output."""
        first, _, second = self._two_runs
        return not is_float(first) or same(first, second)

    @property
    def remembered(self) -> list[str]:
        """The attributes whose values of the first evaluation change the second."""
        _, state, second = self._two_runs
        names = state.changed_attributes()
        state.restore()
        return names if names and same(second, self.run()) else []

    @property
    def mixes_samples(self) -> bool:
        """Whether the output for a sample depends on the others in the batch, or on its place."""
        module, inputs, first = self.call.module, self.inputs, self.first
        untracked = any(getattr(part, "running_mean", 0) is None for part in module.modules())
        if untracked or len(inputs) != 1 or not is_float(first) or not first.ndim:
            return False
        if np.ndim(inputs[0]) < 2 or not len(inputs[0]) == len(first) > 1:
            return False
        one = slice(0, 1) if self.call.name else slice(-1, None)  # of a part it may be the time
        alone = self.run(inputs[0][one])
        return not np.allclose(alone, first[one], rtol=1e-6, atol=1e-9, equal_nan=True)

    @cached_property
    def means(self) -> tuple[float, float, float] | None:
        """Mean output for inputs of 1: in evaluation, in training over masks, and its error.

        None if the module is not random in training, or does not run alone.
        """
        x = self.call.inputs[0] if len(self.call.inputs) == 1 else None
        if not is_float(x) or x.ndim < 2 or self.call.parts:
            return None
        twin, draws = float64_copy(self.call.module), []
        ones = np.ones((min(len(x), 8), *x.shape[1:]))
        expected = float(flattened(twin.eval()(ones.copy()))[0].mean())
        for _ in range(DRAWS):
            draws.append(float(flattened(twin.train()(ones.copy()))[0].mean()))
            if len(draws) == 2 and draws[0] == draws[1]:
                return None
        return expected, float(np.mean(draws)), float(np.std(draws) / DRAWS**0.5)

    @cached_property
    def kept_fractions(self) -> tuple[float, float] | None:
        """Share of non-zero outputs in training, and the module's own rate ``p``; else None."""
        x, rate = self.call.inputs[0], getattr(self.call.module, "p", None)
        if not isinstance(rate, float) or not is_float(x):
            return None
        twin, ones = float64_copy(self.call.module), np.ones(x.shape)
        kept = np.mean([np.mean(flattened(twin.train()(ones.copy()))[0] != 0) for _ in range(20)])
        return float(kept), rate


def same(one: Array, other: Array) -> bool:
    """Return whether two results are equal but for rounding."""
    return np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


@dataclass
class RunningStatistics(Evidence):
    """Buffers of one module that approach a statistic of the batch, forward by forward.

    Attributes
    ----------
    call : Call
    kept : dict of str to float
        The share of each buffer's distance to the statistic that is left after a forward.
    """

    call: Call
    kept: dict[str, float]
    group = "health"

    def __post_init__(self):
        self.where, self.type = self.call.name, type(self.call.module).__name__

    @property
    def subject(self) -> str:
        """What the line of the table is about."""
        return f"running statistics of {self.where or self.type}"

    @classmethod
    def of(cls, call: Call) -> "RunningStatistics | None":
        """Return those of a call's module; None if it has none."""
        if not any("." not in name for name, _ in call.module.named_buffers()):
            return None
        twin = float64_copy(call.module)
        buffers = {n: b for n, b in twin.named_buffers() if "." not in n}
        values = {n: [b.data.copy()] for n, b in buffers.items() if b.data.dtype.kind == "f"}
        for _ in range(3 if values else 0):
            twin(*[as_float64(x) for x in call.inputs])
            for name, found in values.items():
                found.append(np.copy(buffers[name].data))
        kept = {name: _share(*np.diff(np.stack(found), axis=0)) for name, found in values.items()}
        kept = {name: share for name, share in kept.items() if share is not None}
        return cls(call, kept) if kept else None


def _share(first, second, third):
    """Return the constant ratio of each change to the one before it, None if there is none."""
    first, second, third = (change.ravel() for change in (first, second, third))
    size = float(first @ first)
    share = float(first @ second) / size if size > 1e-16 else 0.0
    if not 1e-3 < share < 1 - 1e-6:
        return None
    off = np.abs(second - share * first).max() + np.abs(third - share * second).max()
    return share if off < 1e-3 * np.sqrt(size) else None
