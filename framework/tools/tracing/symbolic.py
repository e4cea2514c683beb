"""Sizes that depend on the input's: found by comparing two passes with inputs of other sizes.

A size that differs between the passes is a product of a fixed number and of powers of the sizes
that were varied. Everything else must be equal in both, since their numbers differ: a constant that
differs depends on the values of the input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.tracing.traced import Ref, Step, Trace, refs_in


class NotFixedError(ValueError):
    """Something differs between two passes, and no rule for it was found."""


@dataclass(frozen=True)
class Dim:
    """A size such as 4·N·T.

    Attributes
    ----------
    factor : Fraction
    powers : tuple of (str, int)
        Power of each varied size, without zeros.
    """

    factor: Fraction
    powers: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        parts = [] if self.factor == 1 else [str(self.factor)]
        return "*".join(parts + [n if p == 1 else f"{n}**{p}" for n, p in self.powers])


@dataclass(frozen=True)
class Spread:
    """A constant that is repeated along axes whose sizes vary.

    Attributes
    ----------
    array : array
        With length 1 along these axes.
    shape : tuple of int or Dim
    """

    array: Array
    shape: tuple[Any, ...]


@dataclass
class Shaped:
    """A recorded pass whose varying sizes are `Dim`.

    Attributes
    ----------
    steps : list of Step
    shapes : list
        The shape of each value.
    trace : Trace
        The first pass.
    """

    steps: list[Step]
    shapes: list[tuple[Any, ...]]
    trace: Trace

    def needed(self, outputs: Iterable[Ref]) -> list[Step]:
        """Return the steps that outputs depend on."""
        wanted, kept = set(outputs), []
        for step in reversed(self.steps):
            if wanted.intersection(step.outputs):
                kept.append(step)
                wanted |= set(refs_in((step.args, step.options)))
        return kept[::-1]


def compared(one: Trace, two: Trace, sizes: dict[str, tuple[int, int]]) -> Shaped:
    """Return the first pass with a `Dim` for whatever depends on the varied sizes.

    Parameters
    ----------
    one, two : Trace
    sizes : dict
        The two values of each varied size, such as ``{"N": (3, 5)}``.

    Raises
    ------
    NotFixedError
        The passes differ otherwise.
    """
    steps = []
    for a, b in zip(one.steps, two.steps, strict=False):
        if (a.name, a.layer, a.at) != (b.name, b.layer, b.at):
            raise NotFixedError(f"{a} ran for one input, and {b} for another")
        merge = _Merge(sizes, str(a)).merged
        steps.append(replace(a, args=merge(a.args, b.args), options=merge(a.options, b.options)))
    if len(one.steps) != len(two.steps):
        longer = max(one.steps, two.steps, key=len)
        raise NotFixedError(f"{longer[len(steps)]} ran for one input only")
    makers = {ref.index: f"the shape of {step}" for step in steps for ref in step.outputs}
    shapes = [
        _Merge(sizes, makers.get(index, "an input")).merged(a.shape, b.shape)
        for index, (a, b) in enumerate(zip(one.values, two.values, strict=True))
    ]
    return Shaped(steps, shapes, one)


class _Merge:
    """Compares the arguments of one step."""

    def __init__(self, sizes: dict[str, tuple[int, int]], where: str) -> None:
        self.sizes: dict[str, tuple[int, int]] = sizes
        self.where: str = where

    def merged(self, a: Any, b: Any) -> Any:
        if type(a) is not type(b):
            raise self._differs(a, b)
        if type(a) in (tuple, list):
            if len(a) != len(b):
                raise self._differs(a, b)
            return type(a)(self.merged(x, y) for x, y in zip(a, b, strict=True))
        if type(a) is dict:
            return {name: self.merged(a[name], b.get(name)) for name in a}
        if type(a) is slice:
            parts = ("start", "stop", "step")
            return slice(*(self.merged(getattr(a, p), getattr(b, p)) for p in parts))
        if type(a) is int and a != b:
            return self._size(a, b)
        if isinstance(a, np.ndarray):
            return self._array(a, b)
        if isinstance(a, Ref) or callable(a):
            equal = a is b or a == b
        else:
            equal = a == b or (a != a and b != b)
        if not equal:
            raise self._differs(a, b)
        return a

    def _size(self, a, b):
        for powers in sorted(product((0, 1, 2, -1), repeat=len(self.sizes)), key=_simplicity):
            scale = [Fraction(1), Fraction(1)]
            for power, pair in zip(powers, self.sizes.values(), strict=True):
                scale = [s * Fraction(n) ** power for s, n in zip(scale, pair, strict=True)]
            if a / scale[0] == b / scale[1]:
                named = zip(self.sizes, powers, strict=True)
                return Dim(a / scale[0], tuple((name, power) for name, power in named if power))
        raise self._differs(a, b)

    def _array(self, a, b):
        if a is b or (a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")):
            return a
        if a.ndim != b.ndim or a.shape == b.shape:
            raise self._differs(a, b)
        axes = [axis for axis in range(a.ndim) if a.shape[axis] != b.shape[axis]]
        small = [_first(array, axes) for array in (a, b)]
        if not all(
            np.array_equal(np.broadcast_to(s, x.shape), x)
            for s, x in zip(small, (a, b), strict=True)
        ):
            raise self._differs(a, b)
        return Spread(self._array(*small), self.merged(a.shape, b.shape))

    def _differs(self, a, b):
        a, b = (f"an array {x.shape}" if isinstance(x, np.ndarray) else repr(x) for x in (a, b))
        varied = " and ".join(f"{name} = {x}, {y}" for name, (x, y) in self.sizes.items())
        return NotFixedError(
            f"{self.where}: {a} in one pass, {b} in another, whose numbers and sizes ({varied}) "
            "were others"
        )


def _first(array, axes):
    """Return the first entry along axes, which get length 1."""
    return array[tuple(slice(0, 1) if n in axes else slice(None) for n in range(array.ndim))]


def _simplicity(powers: Iterable[int]) -> tuple[int, int]:
    powers = list(powers)
    return sum(map(abs, powers)), sum(power < 0 for power in powers)
