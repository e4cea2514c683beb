"""Dropout's random masks on the CPU: from the stream ``dropout``, or a generator of the layer."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from firstlight.distributed import sharding
from firstlight.support import rng as randomness
from firstlight.support.array import Array


def dropout_mask(x: Array, p: float, shape: tuple[int, ...], rng: Generator | None = None) -> Array:
    """Return a mask, on the device of x, that is False with probability p.

    Parameters
    ----------
    x : array
    p : float
    shape : tuple of int
    rng : numpy.random.Generator, optional
        The ``dropout`` stream by default. On a GPU the default is a counter-based generator, see
        `firstlight.fast.cuda.cupy_ops.dropout_mask`.
    """
    rng = randomness.stream("dropout") if rng is None else rng
    draws = sharding.integers16(rng, shape)  # twice as fast as floats
    return np.asarray(draws >= round(p * 2**16), like=x)


def dropout_seeds(x: Array) -> Array:
    """Return a seed for each sample of x, from which attention draws its dropout."""
    draw = randomness.stream("dropout").integers
    return sharding.draw_rows(lambda rows: draw(2**63, size=rows), len(x))


def dropout_factors(seeds: Array, p: float, like: Array) -> Callable[[tuple[int, ...]], Array]:
    """Return a function that draws factors 0 or 1/(1 - p); equal seeds repeat the same draws."""
    generators = [np.random.default_rng(seed) for seed in seeds]
    scale = 1 / (1 - p) if p < 1 else 0.0

    def draw(shape):
        kept = np.stack([rng.random(shape[1:], "float32") >= p for rng in generators])
        factors = np.asarray(kept, like=like).astype(like.dtype)
        factors *= scale
        return factors

    return draw
