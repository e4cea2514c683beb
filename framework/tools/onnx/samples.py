"""Random inputs like those that a user passes, with other numbers of samples and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from firstlight.support.array import Array

SAMPLES = (3, 5)


class Samples:
    """Draws inputs like the given ones.

    The first axis of the first input is the number of samples, N; its second is the length of
    sequences, T, if it has three axes, or two and integers. Other inputs have N and T along axes of
    the same sizes.

    Parameters
    ----------
    inputs : tuple
        Arrays, None, or tuples of them.

    Raises
    ------
    ValueError
        The first input is no array with a first axis.
    """

    def __init__(self, inputs: Any) -> None:
        first = inputs[0]
        if not isinstance(first, np.ndarray) or first.ndim < 1 or not first.size:
            got = f"shape {first.shape}" if isinstance(first, np.ndarray) else type(first).__name__
            raise ValueError(
                f"to_onnx: expected x, an array of one sample or more, got {got}; pass e.g. x[:1], "
                "and for several inputs of forward a tuple of arrays"
            )
        self.inputs: Any = inputs
        self.first: Array = first
        self.rng: np.random.Generator = np.random.default_rng(0)

    def choices(self) -> Iterator[dict[str, tuple[int, int]]]:
        """Yield the sizes to vary, the most first."""
        first = self.first
        long = first.ndim > 1 and first.shape[1] > 2
        if long and (first.ndim == 3 or (first.ndim == 2 and first.dtype.kind in "iu")):
            yield {"N": SAMPLES, "T": (first.shape[1], first.shape[1] - 1)}
        yield {"N": SAMPLES}
        yield {}

    def draw(self, varied: dict[str, tuple[int, int]], which: int) -> Any:
        """Return inputs with the first or the second of the varied sizes."""
        return self.with_sizes({name: pair[which] for name, pair in varied.items()})

    def with_sizes(self, sizes: dict[str, int]) -> Any:
        """Return random inputs with the given sizes."""
        return self._drawn(self.inputs, sizes)

    def _drawn(self, value: Any, sizes: dict[str, int]) -> Any:
        if isinstance(value, tuple):
            return tuple(self._drawn(part, sizes) for part in value)
        if value is None:
            return None
        shape = self._shape(value, sizes)
        if value.dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        if value.dtype.kind in "iu":
            return self.rng.choice(value.ravel(), shape)
        finite = value[np.isfinite(value)]
        mean, spread = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 0.0)
        return (mean + (spread or 1.0) * self.rng.standard_normal(shape)).astype(value.dtype)

    def _shape(self, value: Array, sizes: dict[str, int]) -> tuple[int, ...]:
        """Return the shape of an input with the given sizes."""
        if value is self.first:
            given = [sizes[name] for name in ("N", "T") if name in sizes]
            return (*given, *value.shape[len(given) :])
        shape, n = list(value.shape), self.first.shape[0]
        axis = next((axis for axis, size in enumerate(shape) if size == n), None)
        if axis is not None and "N" in sizes:
            shape[axis] = sizes["N"]
        if "T" in sizes:
            length = self.first.shape[1]
            shape = [sizes["T"] if a != axis and s == length else s for a, s in enumerate(shape)]
        return tuple(shape)
