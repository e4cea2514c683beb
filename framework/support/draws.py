"""Dropout's random masks, drawn by rows of the batch.

If several processes share a batch, each draws the numbers that a single process would draw for its
rows, and skips the numbers of the other rows. All generators therefore stay in the same state as
with a single process, and a checkpoint is valid for any number of processes.
`firstlight.distributed.sharding` sets the rows of this process.

The masks depend only on the generator, the shape and the probability. A change to them would change
resumed trainings.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.random import Generator

from firstlight.support import rng as randomness
from firstlight.support.array import Array

QUERIES = 64  # minimum in a block of attention; with fewer, matrix products are slow
SCORES = 2**17  # in a block of attention; 512 KiB in float32, which fit in the cache

_rows = None  # (start, stop, whole): this process's samples out of the batch's; None for all


def set_rows(rows: tuple[int, int, int] | None) -> None:
    """Set the samples of this process: (start, stop, number of samples in the whole batch)."""
    global _rows
    _rows = rows


# --- masks -------------------------------------------------------------------------------------


def keep_mask(x: Array, p: float, shape: tuple[int, ...], rng: Generator | None = None) -> Array:
    """Return a mask, on the device of x, that is False with probability p.

    Parameters
    ----------
    x : array
    p : float
        Rounded to 16 bits.
    shape : tuple of int
    rng : numpy.random.Generator, optional
        The ``dropout`` stream by default.
    """
    rng = randomness.stream("dropout") if rng is None else rng
    draws = integers16(rng, shape)  # twice as fast as floats
    return np.asarray(draws >= round(p * 2**16), like=x)


def sample_seeds(count: int) -> Array:
    """Return a seed for attention's dropout for each of ``count`` samples."""
    draw = randomness.stream("dropout").integers
    return draw_rows(lambda rows: draw(2**63, size=rows), count)


def attention_factors(weights: Array, p: float, causal: bool = False) -> Array:
    """Return dropout factors for attention's weights: 0 with probability p, else 1/(1 - p).

    Parameters
    ----------
    weights : array, shape (N, H, T, S)
    p : float
    causal : bool
        If True, factors of keys after the query are 0.
    """
    factors = np.zeros(weights.shape, weights.dtype)
    seeds = sample_seeds(len(weights))
    for rows, keys, mask in attention_masks(seeds, p, weights.shape[1:], causal):
        factors[:, :, rows, keys] = mask
    factors *= 1 / (1 - p) if p < 1 else 0.0
    return np.asarray(factors, like=weights)


def attention_masks(
    seeds: Array, p: float, shape: tuple[int, ...], causal: bool
) -> Iterator[tuple[slice, slice, Array]]:
    """Yield ``(rows, keys, mask)`` for blocks of queries; the mask is False with probability p.

    Parameters
    ----------
    seeds : array of int, shape (n,)
        Equal seeds repeat the same masks.
    p : float
    shape : tuple of int
        Heads, queries and keys.
    causal : bool
        If True, only keys that the block's queries see.

    Yields
    ------
    rows, keys : slice
        The block's queries and keys.
    mask : array of bool, shape (n, heads, rows, keys)
    """
    generators = [np.random.default_rng(seed) for seed in seeds]
    for rows in query_blocks(*shape):
        keys = seen_keys(rows, shape[1], shape[2], causal)
        mask = np.empty((len(seeds), shape[0], rows.stop - rows.start, keys.stop), bool)
        for one, generator in zip(mask, generators, strict=True):
            np.greater_equal(generator.random(one.shape, "float32"), p, out=one)
        yield rows, keys, mask


def query_blocks(heads: int, queries: int, keys: int) -> list[slice]:
    """Return slices of the queries, the last ones first, with scores that fit in the cache."""
    fitting = SCORES // (heads * keys)
    step = -(-queries // -(-queries // max(QUERIES, fitting)))  # blocks of equal size
    starts = range((queries - 1) // step * step, -1, -step)
    return [slice(start, min(start + step, queries)) for start in starts]


def seen_keys(rows: slice, queries: int, keys: int, causal: bool) -> slice:
    """Return the keys that any query of a block sees."""
    return slice(0, keys - queries + rows.stop if causal else keys)


# --- by rows -----------------------------------------------------------------------------------


def integers16(generator: Generator, shape: tuple[int, ...]) -> Array:
    """Return this process's rows of random uint16 numbers for the whole batch.

    Parameters
    ----------
    generator : numpy.random.Generator
        PCG64 skips the rows of other processes in constant time; other generators draw them.
    shape : tuple of int
        The first axis is the number of samples or a multiple of it. With any other number the rows
        cannot be assigned to samples, and every process draws the same.
    """
    draw = partial(generator.integers, 2**16, dtype="uint16")
    per_sample = _rows_per_sample(shape[0]) if shape else None
    if _rows is None or per_sample is None:
        return draw(size=shape)
    if not hasattr(generator.bit_generator, "advance"):
        return draw_rows(lambda rows: draw(size=(rows, *shape[1:])), shape[0])
    row = per_sample * math.prod(shape[1:])
    start, stop, end = (row * n for n in _rows)
    # Each 32-bit number gives two of 16 bits; a remaining half is dropped.
    first = start // 2 * 2
    _skip(generator, first // 2)
    mine = draw(size=stop - first)[start - first :]
    _skip(generator, -(-end // 2) - first // 2 - -(-(stop - first) // 2))
    return mine.reshape(shape)


def first_row(rows: int) -> int:
    """Return the index of the first of this process's ``rows`` in the whole batch's array."""
    per_sample = _rows_per_sample(rows)
    return 0 if _rows is None or per_sample is None else _rows[0] * per_sample


def draw_rows(draw: Callable[[int], Array], rows: int) -> Array:
    """Return this process's rows of ``draw(number of rows)``, drawn for the whole batch."""
    per_sample = _rows_per_sample(rows)
    if _rows is None or per_sample is None:
        return draw(rows)
    start, stop, whole = (n * per_sample for n in _rows)
    return draw(whole)[start:stop]


def _rows_per_sample(rows):
    """Return the number of rows of a sample; None if it is unknown."""
    if _rows is None:
        return None
    per_sample, rest = divmod(rows, _rows[1] - _rows[0])
    return per_sample if rest == 0 else None


def _skip(generator, count):
    """Advance a PCG64 generator as if it had drawn ``count`` numbers of 32 bits.

    Each 64-bit number gives two of 32 bits. If the count is odd, the generator keeps the second.
    """
    bits = generator.bit_generator
    if count and bits.state.get("has_uint32"):
        generator.random(dtype="float32")
        count -= 1
    if count > 1:
        bits.advance(count // 2)
    if count % 2:
        generator.random(dtype="float32")
