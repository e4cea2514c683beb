"""Units of a network: which are dead, and which are at the flat ends of their activation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support import forms
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import (
    flattened,
    is_float,
    root_mean_square,
    standard_normal,
)
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call

Units = tuple[Call, Array, str]  # call, array or mask, and what its last axis is


@dataclass
class UnitActivity(Evidence):
    """The units of all modules without parts, in recorded calls.

    A unit is an index of the last axis. It is dead if it is exactly zero for every sample and
    position of the batch, in each call of its module.

    Attributes
    ----------
    calls : list of Call
    """

    calls: Sequence[Call]
    group = "health"
    subject = "dead and saturated units"

    @cached_property
    def by_name(self) -> list[list[Call]]:
        """The calls of each module without parts."""
        found: dict[str, list[Call]] = {}
        for call in self.calls:
            if not call.parts and call.inputs and "Dropout" not in call.type:
                found.setdefault(call.name, []).append(call)
        return list(found.values())

    @cached_property
    def dead(self) -> list[Units]:
        """Which units of each module are dead."""
        return [(same[0], mask, what) for same in self.by_name for mask, what in dead_masks(same)]

    @property
    def arrays(self) -> Iterator[Units]:
        """Yield the units' values, and arrays that modules keep."""
        for call, *_ in self.by_name:
            for y, what in unit_arrays(call, call.output, call.module):
                if not (call.has_parameters and y is call.output):
                    yield call, y, what

    @property
    def detail(self) -> str:
        """The layer with the largest share of dead units."""
        counts = [(int(mask.sum()), len(mask)) for _, mask, _ in self.dead]
        most = max(counts, key=lambda pair: pair[0] / pair[1], default=(0, 1))
        return f"at most {most[0]} of {most[1]} dead" if most[0] else ""


def dead_masks(same: list[Call]) -> Iterator[tuple[Array, str]]:
    """Yield ``(which units are dead, their description)`` for the calls of one module."""
    call = same[0]
    masks = [dead_mask(rerun_with_moved_weights(one)[0]) for one in same]
    if all(mask is not None and len(mask) == len(masks[0]) for mask in masks):
        yield np.logical_and.reduce(masks), call.label
    if len(same) == 1:
        for y, what in unit_arrays(call, None, rerun_with_moved_weights(call)[1]):
            mask = dead_mask(y)
            if mask is not None:
                yield mask, what


def rerun_with_moved_weights(call: Call) -> tuple[Any, Module]:
    """Return ``(output, module)`` of a call that ran again, with its parameters moved a little.

    Weights that start at zero give zeros too, as in heads and residual branches, but these learn;
    a dead unit stays at zero after any small change of its weights.
    """
    if not call.has_parameters:
        return call.output, call.module
    rng, twin = np.random.default_rng(0), detached_copy(call.module)
    for parameter in twin.parameters():
        data = parameter.data
        data += 0.1 * root_mean_square(data) * standard_normal(rng, data)
    try:
        return twin(*call.inputs), twin
    except Exception:  # it needs something of the whole network
        return None, twin


def unit_arrays(call: Call, output: Any, module: Module) -> Iterator[tuple[Array, str]]:
    """Yield ``(array, description)`` of an output, and of what the module saved for backward.

    The saved arrays show the units of networks that are written in one module. What a layer with
    forms saves depends on the form.
    """
    if is_float(output):
        yield output, call.label
    if forms.lesson_of(type(module).forward):
        return
    for values in module._stack or ():
        for array in values:
            given = any(np.array_equal(array, x) for x in flattened(call.inputs))
            if is_float(array) and array.size != np.size(flattened(call.inputs)[0]) and not given:
                yield array, f"{call.label}, {array.shape}"


def dead_mask(y: Any) -> Array | None:
    """Return for each unit whether it is zero everywhere; None if there are too few values."""
    if not is_float(y) or y.ndim < 2 or y.shape[-1] < 4 or len(y) < 8:
        return None
    return ~y.reshape(-1, y.shape[-1]).any(axis=0)
