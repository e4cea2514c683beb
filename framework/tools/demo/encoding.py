"""Bytes of a network's arrays: float32, float16, or int8 with a factor for each row."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.demo.known_layers import Description

FORMATS = ("float32", "float16", "int8")
BYTES = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1}
SMALL = 1024  # elements; biases and norms stay float32
LARGEST_HALF = 6e4


def rounded(array: Array, form: str) -> Array:
    """Return an array as JavaScript will have it, in float32.

    ``int8`` is, for each row r of the first axis, q_r max|w_r| / 127 with whole numbers q_r.
    """
    if form == "float16":
        return array.astype("float16").astype("float32")
    if form == "int8":
        q, factors = _quantized(array)
        return (q.astype("float32").reshape(len(q), -1) * factors[:, None]).reshape(array.shape)
    return array.astype("float32")


def _quantized(array):
    rows = array.reshape(len(array), -1).astype("float32")
    factors = np.abs(rows).max(axis=1) / np.float32(127)
    q = np.rint(rows / np.maximum(factors, np.float32(1e-30))[:, None])
    return q.astype("int8").reshape(array.shape), factors


def can_round(array: Array) -> bool:
    """Return True for an array that is large enough to be worth less exact numbers."""
    fits = array.flags.writeable and array.dtype.kind == "f"
    return fits and array.size >= SMALL and array.ndim >= 2 and np.abs(array).max() < LARGEST_HALF


def arrays_of(descriptions: Iterable[Description]) -> list[Array]:
    """Return the arrays of layers and their parts, each once."""
    found: dict[int, Array] = {}
    for description in descriptions:
        for array in (*description.arrays.values(), *arrays_of(description.parts.values())):
            found[id(array)] = array
    return list(found.values())


def exact_formats(arrays: list[Array], room: int) -> list[str]:
    """Return the most exact format of each array with which all fit into a number of bytes.

    All float32, or large arrays float16, or the largest of them int8, as many as needed.
    """
    formats = ["float32"] * len(arrays)
    large = [i for i, array in enumerate(arrays) if can_round(array)]
    if size_of(arrays, formats) > room:
        for i in large:
            formats[i] = "float16"
    for i in sorted(large, key=lambda i: -arrays[i].size):
        if size_of(arrays, formats) > room:
            formats[i] = "int8"
    return formats


def same_formats(arrays: list[Array], form: str) -> list[str]:
    """Return one format for all large arrays."""
    return [form if can_round(array) else "float32" for array in arrays]


def size_of(arrays: list[Array], formats: list[str]) -> int:
    """Return the bytes of base64 that arrays take."""
    return sum(a.size * BYTES[form] for a, form in zip(arrays, formats, strict=True)) * 4 // 3


class Packer:
    """Arrays in one text of base64.

    Attributes
    ----------
    tensors : list of dict
        Shape, format and place of each array.
    """

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self._bytes = bytearray()
        self._indices: dict[int, int] = {}
        self._kept: list[Array] = []  # so that no id is used twice

    def add(self, array: Array, form: str = "float32") -> int:
        """Append an array, once, and return its index."""
        if id(array) not in self._indices:
            place: dict[str, Any] = {"shape": list(array.shape), "format": form}
            if form == "int8":
                array_, factors = _quantized(array)
                place["factors"] = self._append(factors)
            else:
                array_ = array.astype(form)
            place["start"] = self._append(array_)
            self._indices[id(array)] = len(self.tensors)
            self._kept.append(array)
            self.tensors.append(place)
        return self._indices[id(array)]

    def _append(self, array):
        self._bytes += bytes(-len(self._bytes) % 4)  # JavaScript reads aligned numbers
        start = len(self._bytes)
        self._bytes += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return start

    def base64(self) -> str:
        """Return all bytes."""
        return base64.b64encode(self._bytes).decode()
