"""Panels of columns of a matrix, and the products of other matrices with them, by address.

A tile has 6 rows of the one factor, or 4, and 16 columns of the other, which is read line by line.
With AVX-512 it has 12 rows and 32 columns, or 16 at the edge. A panel has as many columns. It is
packed, its lines one after the other and filled up with zeros, or read where it is.
"""

import numpy as np
from numba import carray

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.product_tile import (
    COLUMNS,
    LANES,
    copy_line,
    copy_transposed,
    numbers,
    tile_of,
)
from firstlight.fast.compiled.tile import WIDE_REGISTERS

HIGH, LOW = 12 if WIDE_REGISTERS else 6, 4  # rows of a tile
BYTES = 4  # of a number
BLOCK = 256  # products that are summed at a time, so that a panel's lines stay in the cache
LINE = COLUMNS * BYTES
EDGE = LOW * LINE  # bytes of memory for a tile at the edge

_high, _low = tile_of(HIGH, COLUMNS), tile_of(LOW, COLUMNS)
_high_narrow, _low_narrow = tile_of(HIGH, LANES), tile_of(LOW, LANES)


@cached_njit()
def panels(count: int) -> int:
    """Return the number of panels that so many columns have."""
    return (count + COLUMNS - 1) // COLUMNS


@cached_njit(error_model="numpy")
def pack(matrix: int, row: int, rows: int, columns: int, to: int) -> None:
    """Copy the columns of a panel of a matrix whose rows are ``row`` bytes apart."""
    if columns == COLUMNS:
        for t in range(rows):
            for lane in range(0, LINE, LANES * BYTES):
                copy_line(matrix + t * row + lane, to + t * LINE + lane)
    else:
        for t in range(rows):
            source = carray(numbers(matrix + t * row), (columns,))
            line = carray(numbers(to + t * LINE), (COLUMNS,))
            for q in range(COLUMNS):
                line[q] = source[q] if q < columns else np.float32(0)


@cached_njit(error_model="numpy")
def pack_transposed(matrix: int, row: int, rows: int, columns: int, to: int) -> None:
    """Copy the columns of a panel of a transposed matrix, which are rows of the matrix."""
    whole, copied = rows // LANES * LANES, columns // LANES * LANES
    for t in range(0, whole, LANES):
        for q in range(0, copied, LANES):
            copy_transposed(matrix + t * BYTES + q * row, row, to + t * LINE + q * BYTES, LINE)
    packed = carray(numbers(to), (rows, COLUMNS))
    for q in range(COLUMNS):
        first = whole if q < copied else 0
        if q < columns:
            source = carray(numbers(matrix + q * row), (rows,))
            for t in range(first, rows):
                packed[t, q] = source[t]
        else:
            for t in range(first, rows):
                packed[t, q] = 0


@cached_njit(error_model="numpy")
def multiply_panel(
    a: int,
    a_row: int,
    a_step: int,
    rows: int,
    b: int,
    b_row: int,
    k: int,
    columns: int,
    c: int,
    c_row: int,
    add: bool,
    edge: int,
) -> None:
    """Compute any number of rows of a panel of c; see `product_tile.tile_of`.

    Of b, 16 columns at a time are read, also if c has less. ``edge`` is memory for a tile.
    """
    width = COLUMNS if columns == COLUMNS else LANES
    for t in range(0, max(k, 1), BLOCK):
        part, first, line = min(BLOCK, k - t), a + t * a_step, b + t * b_row
        for q in range(0, columns, width):
            count, to, shift = min(width, columns - q), c + q * BYTES, line + q * BYTES
            more = add or t > 0
            _multiply(first, a_row, a_step, rows, shift, b_row, part, count, to, c_row, more, edge)


@cached_njit(error_model="numpy")
def _multiply(a, a_row, a_step, rows, b, b_row, k, columns, c, c_row, add, edge):
    """Compute a panel of c, or up to 16 of its columns."""
    while rows > 0:
        height = HIGH if rows >= HIGH and rows != 2 * LOW else LOW
        if rows < height or columns < LANES:
            height = 1 if rows < LOW else LOW
            step = a_row if height == LOW else 0  # of a single row, four times the same
            width = COLUMNS if columns == COLUMNS else LANES
            _tile(LOW, width, a, step, a_step, b, b_row, k, edge, LINE, False)
            sums = carray(numbers(edge), (LOW, COLUMNS))
            for p in range(height):
                out = carray(numbers(c + p * c_row), (columns,))
                for q in range(columns):
                    out[q] = (out[q] if add else np.float32(0)) + sums[p, q]
        else:
            _tile(height, columns, a, a_row, a_step, b, b_row, k, c, c_row, add)
        a, c, rows = a + height * a_row, c + height * c_row, rows - height


@cached_njit(error_model="numpy")
def _tile(height, width, a, a_row, a_step, b, b_row, k, c, c_row, add):
    if width == COLUMNS and height == HIGH:
        _high(a, a_row, a_step, b, b_row, k, c, c_row, add)
    elif width == COLUMNS:
        _low(a, a_row, a_step, b, b_row, k, c, c_row, add)
    elif height == HIGH:
        _high_narrow(a, a_row, a_step, b, b_row, k, c, c_row, add)
    else:
        _low_narrow(a, a_row, a_step, b, b_row, k, c, c_row, add)


@cached_njit(error_model="numpy")
def multiply_rows(
    a: int,
    a_row: int,
    a_step: int,
    rows: int,
    b: int,
    b_row: int,
    k: int,
    columns: int,
    c: int,
    c_row: int,
    add: bool,
    spare: int,
) -> None:
    """Compute c with b where it is; ``spare`` is memory for k lines and a tile."""
    for first in range(0, columns, COLUMNS):
        count = min(COLUMNS, columns - first)
        panel, line = b + first * BYTES, b_row
        if count % LANES:  # beyond its rows, b must not be read
            pack(panel, b_row, k, count, spare + EDGE)
            panel, line = spare + EDGE, LINE
        to = c + first * BYTES
        multiply_panel(a, a_row, a_step, rows, panel, line, k, count, to, c_row, add, spare)
