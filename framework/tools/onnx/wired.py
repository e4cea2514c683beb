"""Modules that a loaded graph needs beside the layers: shapes, sums, and the wiring itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array


class Permute(Module):
    """Reorder the axes, as ``x.transpose(dims)``.

    Formula and gradient::

        y  = x.transpose(dims)
        dx = dy.transpose(inverse of dims)

    Parameters
    ----------
    *dims : int
    """

    def __init__(self, *dims: int):
        self.dims: tuple[int, ...] = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, dy: Array | None) -> Array | None:
        return None if dy is None else dy.transpose(np.argsort(self.dims).tolist())

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.dims))


class Select(Module):
    """Take one index along an axis, such as the last step of a sequence.

    Formula and gradient, along the axis::

        y  = x[index]
        dx = dy at the index, 0 elsewhere

    Parameters
    ----------
    dim, index : int
    """

    def __init__(self, dim: int, index: int):
        self.dim = dim
        self.index = index

    def forward(self, x: Array) -> Array:
        self.save(x.shape)
        return x[self._key(x.ndim)]

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved()
        dx = np.zeros_like(dy, shape=shape)
        dx[self._key(len(shape))] = dy
        return dx

    def _key(self, rank):
        return (*[slice(None)] * (self.dim % rank), self.index)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.index}"


class Slice(Module):
    """Take a slice along an axis.

    Formula and gradient, along the axis::

        y  = x[start:stop:step]
        dx = dy at the slice, 0 elsewhere

    Parameters
    ----------
    dim : int
    start, stop, step : int or None
    """

    def __init__(self, dim: int, start: int | None, stop: int | None, step: int | None = None):
        self.dim = dim
        self.start: int | None = start
        self.stop: int | None = stop
        self.step: int | None = step

    def forward(self, x: Array) -> Array:
        self.save(x.shape)
        return x[self._key(x.ndim)]

    def backward(self, dy: Array) -> Array:
        (shape,) = self.saved()
        dx = np.zeros_like(dy, shape=shape)
        dx[self._key(len(shape))] = dy
        return dx

    def _key(self, rank):
        part = slice(self.start, self.stop, self.step)
        return (*[slice(None)] * (self.dim % rank), part)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.start}, {self.stop}, {self.step}"


class Add(Module):
    """Add two arrays of one shape: a shortcut.

    Formula and gradient::

        y  = a + b
        da = db = dy
    """

    def forward(self, a: Array, b: Array) -> Array:
        if a.shape != b.shape:
            raise ValueError(f"Add: expected two arrays of one shape, got {a.shape} and {b.shape}")
        return a + b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return dy, dy


class Multiply(Module):
    """Multiply two arrays of one shape: a gate.

    Formula and gradient::

        y  = a b
        da = dy b        db = dy a
    """

    def forward(self, a: Array, b: Array) -> Array:
        if a.shape != b.shape:
            raise ValueError(
                f"Multiply: expected two arrays of one shape, got {a.shape} and {b.shape}"
            )
        self.save(a, b)
        return a * b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        a, b = self.saved()
        return dy * b, dy * a


class Concatenate(Module):
    """Join arrays along an axis.

    Formula and gradient::

        y  = a, then b, ...
        da = the part of dy that a became, and so on

    Parameters
    ----------
    dim : int
    """

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, *arrays: Array) -> Array:
        self.save([array.shape[self.dim] for array in arrays])
        return np.concatenate(arrays, axis=self.dim)

    def backward(self, dy: Array) -> tuple[Array, ...]:
        (sizes,) = self.saved()
        return tuple(np.split(dy, np.cumsum(sizes)[:-1].tolist(), axis=self.dim))

    def extra_repr(self) -> str:
        return f"{self.dim}"


class Wired(Module):
    """Layers whose inputs are outputs of any earlier layers.

    Formula, with slot 0 for x::

        slot_k = layer_k(slots that it reads)        k = 1 …

    Gradient: that of each layer, from the last to the first; where a slot is read several times,
    its gradients add.

    Parameters
    ----------
    layers : list of Module
    reads : list of tuple of int
        The slots that each layer reads.

    Raises
    ------
    ValueError
        A layer reads a slot that is filled after it.
    """

    def __init__(self, layers: Sequence[Module], reads: Sequence[tuple[int, ...]]):
        if any(max(slots) > index for index, slots in enumerate(reads)):
            raise ValueError(f"Wired: expected layers that read earlier slots, got {list(reads)}")
        self.layers: list[Module] = list(layers)
        self.reads: list[tuple[int, ...]] = [tuple(slots) for slots in reads]

    def forward(self, x: Array) -> Array:
        slots = [x]
        for layer, read in zip(self.layers, self.reads, strict=True):
            slots.append(layer(*(slots[slot] for slot in read)))
        return slots[-1]

    def backward(self, dy: Array) -> Array | Any:
        gradients: list[Any] = [None] * len(self.layers) + [dy]
        for index in reversed(range(len(self.layers))):
            dx = self.layers[index].backward(gradients[index + 1])
            parts = dx if isinstance(dx, tuple) else (dx,)
            for slot, part in zip(self.reads[index], parts, strict=True):
                old = gradients[slot]
                gradients[slot] = part if old is None else old + part
        return gradients[0]

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers
