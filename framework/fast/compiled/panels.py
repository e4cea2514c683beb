"""Panels of 16 columns of a matrix, and the products of other matrices with them, by address.

A tile has 6 rows (12 with AVX-512) of the one factor, or 4, and 16 columns of the other, which is
read line by line. A panel is packed, its lines one after the other and filled up with zeros, or
read where it is.
"""

import numpy as np
from numba import carray

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.fast.compiled.product_tile import (
    COLUMNS,
    copy_line,
    copy_transposed,
    numbers,
    tile_of,
)
from firstlight.fast.compiled.tile import WIDE_REGISTERS

HIGH, LOW = 12 if WIDE_REGISTERS else 6, 4  # rows of a tile: 12 sums in registers, or 4
BYTES = 4  # of a number
LINE = COLUMNS * BYTES
EDGE = LOW * LINE  # bytes of memory for a tile at the edge

_high, _low = tile_of(HIGH), tile_of(LOW)


@cached_njit()
def panels(count: int) -> int:
    """Return the number of panels that so many columns have."""
    return (count + COLUMNS - 1) // COLUMNS


@cached_njit(error_model="numpy")
def pack(matrix: int, row: int, rows: int, columns: int, to: int) -> None:
    """Copy up to 16 columns of a matrix whose rows are ``row`` bytes apart."""
    if columns == COLUMNS:
        for t in range(rows):
            copy_line(matrix + t * row, to + t * LINE)
    else:
        for t in range(rows):
            source = carray(numbers(matrix + t * row), (columns,))
            line = carray(numbers(to + t * LINE), (COLUMNS,))
            for q in range(COLUMNS):
                line[q] = source[q] if q < columns else np.float32(0)


@cached_njit(error_model="numpy")
def pack_transposed(matrix: int, row: int, rows: int, columns: int, to: int) -> None:
    """Copy up to 16 columns of a transposed matrix: of the matrix, 16 rows of ``rows`` numbers."""
    whole = rows // COLUMNS * COLUMNS if columns == COLUMNS else 0
    for t in range(0, whole, COLUMNS):
        copy_transposed(matrix + t * BYTES, row, to + t * LINE)
    packed = carray(numbers(to), (rows, COLUMNS))
    for q in range(COLUMNS):
        if q < columns:
            source = carray(numbers(matrix + q * row), (rows,))
            for t in range(whole, rows):
                packed[t, q] = source[t]
        else:
            for t in range(whole, rows):
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

    All 16 columns of b are read, also if c has less. ``edge`` is memory for a tile.
    """
    while rows > 0:
        height = HIGH if rows >= HIGH and rows != 2 * LOW else LOW
        if columns == COLUMNS and rows >= height:
            if height == HIGH:
                _high(a, a_row, a_step, b, b_row, k, c, c_row, add)
            else:
                _low(a, a_row, a_step, b, b_row, k, c, c_row, add)
        else:
            height = 1 if rows < LOW else LOW
            step = a_row if height == LOW else 0  # of a single row, four times the same
            _low(a, step, a_step, b, b_row, k, edge, LINE, False)
            sums = carray(numbers(edge), (LOW, COLUMNS))
            for p in range(height):
                out = carray(numbers(c + p * c_row), (columns,))
                for q in range(columns):
                    out[q] = (out[q] if add else np.float32(0)) + sums[p, q]
        a, c, rows = a + height * a_row, c + height * c_row, rows - height


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
        if count < COLUMNS:  # beyond its rows, b must not be read
            pack(panel, b_row, k, count, spare + EDGE)
            panel, line = spare + EDGE, LINE
        to = c + first * BYTES
        multiply_panel(a, a_row, a_step, rows, panel, line, k, count, to, c_row, add, spare)
