"""Stand-ins: simple, correct modules in place of a module's parts, to test what connects them.

The forward of a stand-in is a constant plus a map of rank two, y = y₀ + Σ u (w · x) + b, whose
backward is certainly right. A module that is wrong with stand-ins for all its parts is wrong
itself, and the gradient of b is the dy that it passes to that part.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.diagnose.probes.arrays import (
    as_float64,
    flattened,
    is_float,
    match_shapes,
    nested_like,
)
from firstlight.tools.diagnose.probes.module.rerun import Preparation
from firstlight.tools.diagnose.probes.recorded_calls import Call

RANK = 2
PART_DY = ".part_dy"  # in the names of the parameters b


class StandIn:
    """Forward and backward that replace those of one part of a copy.

    Parameters
    ----------
    calls : list of Call
        The calls of the part, in order: their outputs become y₀.
    rng : numpy.random.Generator

    Attributes
    ----------
    offsets : dict of int to Parameter
        b by index among the outputs, for outputs of the same shape in each call.
    """

    def __init__(self, calls: Sequence[Call], rng: np.random.Generator):
        self.calls: Sequence[Call] = calls
        self._rng, self._maps, self._count = rng, {}, 0
        self._undo: list[tuple[int, list]] = []
        self._outputs = [[as_float64(y) for y in flattened(call.output)] for call in calls]
        self.offsets: dict[int, Parameter] = {}
        for place, y in enumerate(self._outputs[0]):
            shapes = {np.shape(found[place]) for found in self._outputs if place < len(found)}
            if is_float(y) and len(shapes) == 1:
                self.offsets[place] = Parameter(np.zeros(y.shape))
        self._skips_dx = not calls[0].module.needs_dx

    def forward(self, *inputs: Any, **_: Any) -> Any:
        """Return y of the next call, starting over after the last one."""
        index = self._count % len(self._outputs)
        self._count += 1
        if index == 0:
            self._undo = []
        used = [
            (place, x)
            for place, x in enumerate(flattened(inputs))
            if is_float(x) and np.isfinite(x).all()
        ]
        made = []
        for out, kept in enumerate(self._outputs[index]):
            y = kept
            if is_float(kept):
                y = kept.copy()
                if out in self.offsets:
                    y += self.offsets[out].data
                for place, x in used:
                    for u, w in self._rank_two_map((index, place, out), x.shape, y.shape):
                        y += u * (w * x).sum()
            made.append(y)
        self._undo.append((index, [(place, x.shape) for place, x in used]))
        return nested_like(self.calls[index].output, iter(made))

    def backward(self, *given: Any, **_: Any) -> Any:
        """Return dx, for several floating-point inputs a tuple, nested as the part's own dx."""
        index, used = self._undo.pop()
        outputs, arrays = self._outputs[index], flattened(given)
        places = match_shapes(arrays, outputs)
        if len(outputs) == 1 and places[:1] == [None] and is_float(outputs[0]):
            raise ValueError(
                f"expected dy of shape {outputs[0].shape}, got {np.shape(given[0] if given else 0)}"
            )
        pairs = [(out, dy) for out, dy in zip(places, arrays, strict=True) if out is not None]
        for out, dy in pairs:
            if out in self.offsets:
                self.offsets[out].grad += dy
        if self._skips_dx or not used:
            return None
        found = []
        for place, shape in used:
            dx = np.zeros(shape)
            for out, dy in pairs:
                for u, w in self._rank_two_map((index, place, out), shape, outputs[out].shape):
                    dx += w * (u * dy).sum()
            found.append(dx)
        return self._nested(found, self.calls[index].dx)

    @staticmethod
    def _nested(found, real):
        if isinstance(real, (tuple, list)):
            places = match_shapes(flattened(real), found)
            if len(found) == sum(place is not None for place in places):
                return nested_like(real, iter([p if p is None else found[p] for p in places]))
        return found[0] if len(found) == 1 else tuple(found)

    def _rank_two_map(self, key, x_shape, y_shape):
        if key not in self._maps:
            scale, normal = np.sqrt(np.prod(x_shape) * RANK), self._rng.standard_normal
            self._maps[key] = [(normal(y_shape), normal(x_shape) / scale) for _ in range(RANK)]
        return self._maps[key]


def with_stand_ins(call: Call) -> Preparation:
    """Return the preparation of a `Rerun` that replaces all parts of a call's module."""
    inside = {f"{call.name}.{name}".strip("."): name for name, _ in call.module.named_modules()}
    names = {part.name: inside[part.name] for part in call.parts if part.name in inside}

    def prepare(module: Module) -> dict[str, Parameter]:
        rng, parts, part_dys = np.random.default_rng(0), dict(module.named_modules()), {}
        for full_name, name in names.items():
            stand_in = StandIn([one for one in call.parts if one.name == full_name], rng)
            part = parts[name]
            part.forward, part.backward = stand_in.forward, stand_in.backward
            for place, offset in stand_in.offsets.items():
                part_dys[f"{name}{PART_DY}{place or ''}"] = offset
        return part_dys  # not as attributes: a module may iterate over its own parameters

    return prepare
