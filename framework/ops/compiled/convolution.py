"""Convolutions of a chunk of the batch in one compiled call, with BLAS for the products.

The products are those of `firstlight.ops.convolution`, with patches of a few lines of y at a time.
Between NumPy's products, threads wait for each other to leave Python; here they do not. Nor does
it matter how short the runs are of which patches consist.
"""

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import as_strided

from firstlight.ops.compiled.blas import copy, multiply
from firstlight.ops.scratch import scratch

TILE_BYTES = 2**18  # of patches: half of a core's L2 cache
LEAST_ROWS = 256  # of patches: BLAS packs the other factor anew for each product
SHORT_RUN = 8  # values: below it, patches are filled transposed


def correlate_some(x, kernels, rows, columns, y, bias):
    """Write P(x) kernels + bias into y (N, rows.out, columns.out, O), which may have gaps."""
    whole = y if y.flags.c_contiguous else np.empty(y.shape, y.dtype)
    bias = np.zeros(y.shape[3], y.dtype) if bias is None else bias
    tile = tile_for(x, rows, columns)
    _correlate(np.ascontiguousarray(x), kernels, tuple(rows), tuple(columns), bias, tile, whole)
    if whole is not y:
        y[...] = whole


def gradient_of_some(x, dy, rows, columns):
    """Return P(x)ᵀ dy, of shape (kh · kw · C, O)."""
    tile = tile_for(x, rows, columns)
    dw = np.zeros((tile.shape[2], dy.shape[3]), x.dtype)
    x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
    _gradient(x, dy, tuple(rows), tuple(columns), tile, dw)
    return dw


def give_back_some(dy, kernels, rows, columns, dx):
    """Write Σ_ij of dy W_ij, at the pixels that tap (i, j) saw, into dx (N, H, W, C)."""
    all_taps = kernels.transpose(2, 0, 1, 3).reshape(dy.shape[3], -1)  # (O, kh · kw · C)
    whole = dx if dx.flags.c_contiguous else np.empty(dx.shape, dx.dtype)
    tile = tile_for(dx, rows, columns)
    dy, all_taps = np.ascontiguousarray(dy), np.ascontiguousarray(all_taps)
    _give_back(dy, all_taps, tuple(rows), tuple(columns), tile, whole)
    if whole is not dx:
        dx[...] = whole


def tile_for(x, rows, columns):
    """Return memory for the patches of a few lines of y, (lines, columns.out, kh · kw · C)."""
    size, width = rows.taps * columns.taps * x.shape[3], columns.out
    lines = max(1, TILE_BYTES // (x.itemsize * size * width), -(-LEAST_ROWS // width))
    return scratch("patches", (lines, width, size), x)


@njit(nogil=True, cache=True)
def _correlate(x, kernels, rows, columns, bias, tile, y):
    lines = y.reshape(-1, *y.shape[2:])  # (N · oh, ow, O)
    for top in range(0, len(lines), len(tile)):
        part = lines[top : top + len(tile)].reshape(-1, y.shape[3])
        for pixel in range(len(part)):
            for o in range(y.shape[3]):
                part[pixel, o] = bias[o]
        patches = _patches(x, rows, columns, top, tile, len(part))
        multiply(patches, kernels, 1, part)


@njit(nogil=True, cache=True)
def _gradient(x, dy, rows, columns, tile, dw):
    lines = dy.reshape(-1, *dy.shape[2:])
    for top in range(0, len(lines), len(tile)):
        part = lines[top : top + len(tile)].reshape(-1, dy.shape[3])
        patches = _patches(x, rows, columns, top, tile, len(part))
        multiply(patches.T, part, 1, dw)


@njit(nogil=True, cache=True)
def _give_back(dy, kernels, rows, columns, tile, dx):
    height = dy.shape[1]
    lines = dy.reshape(-1, *dy.shape[2:])
    for top in range(0, len(lines), len(tile)):
        part = lines[top : top + len(tile)]
        shares = tile[: len(part)]
        matrix, products = part.reshape(-1, dy.shape[3]), shares.reshape(-1, tile.shape[2])
        multiply(matrix, kernels, 0, products)
        for index in range(len(part)):
            sample, line = divmod(top + index, height)
            if line == 0:
                dx[sample] = 0
            _add(shares[index], rows, columns, line, dx[sample])


@njit(nogil=True, cache=True)
def _patches(x, rows, columns, top, tile, places):
    """Return the patches (places, kh · kw · C) of lines from ``top`` on, counted over samples."""
    height, width, size = rows[4], columns[4], tile.shape[2]
    transposed = columns[1] * x.shape[3] < SHORT_RUN
    steps = (4, 4 * places) if transposed else (4 * size, 4)
    patches = as_strided(tile.reshape(-1), (places, size), steps)
    for index in range(places // width):
        sample, line = divmod(top + index, height)
        part = patches[index * width : (index + 1) * width]
        if transposed:
            _fill_columns(x[sample], rows, columns, line, part)
        else:
            _fill_rows(x[sample], rows, columns, line, part)
    return patches


@njit(nogil=True, cache=True)
def _fill_rows(image, rows, columns, line, patches):
    """Fill the patches (places, kh · kw · C) of a line of y, window by window."""
    above, kh, step_down, gap_down, _ = rows  # before, taps, stride, dilation, out
    left, kw, step_right, gap_right, width = columns
    height, length, channels = image.shape
    pixels = image.reshape(-1)
    for i in range(kh):
        y = line * step_down + i * gap_down - above
        for place in range(width):
            run = patches[place, i * kw * channels : (i + 1) * kw * channels]
            x = place * step_right - left
            if y < 0 or y >= height:
                run[:] = 0
            elif gap_right == 1 and x >= 0 and x + kw <= length:
                seen = pixels[(y * length + x) * channels :]
                copy(run.ctypes, seen.ctypes, 4 * len(run))
            else:
                for j in range(kw):
                    at = x + j * gap_right
                    inside = 0 <= at < length
                    for c in range(channels):
                        run[j * channels + c] = image[y, at, c] if inside else 0


@njit(nogil=True, cache=True)
def _fill_columns(image, rows, columns, line, patches):
    """Fill the patches of a line of y, tap by tap: what all windows see with one is a run."""
    above, kh, step_down, gap_down, _ = rows
    left, kw, step_right, gap_right, width = columns
    height, length, channels = image.shape
    pixels = image.reshape(-1)
    for i in range(kh):
        y = line * step_down + i * gap_down - above
        for j in range(kw):
            offset = j * gap_right - left
            first = min(max(0, -(offset // step_right)), width)
            stop = max(first, min(width, (length - 1 - offset) // step_right + 1))
            for c in range(channels):
                run = patches[:, (i * kw + j) * channels + c]
                if y < 0 or y >= height:
                    run[:] = 0
                    continue
                run[:first] = 0
                run[stop:] = 0
                inside = run[first:stop]
                seen = pixels[(y * length + first * step_right + offset) * channels + c :]
                if step_right * channels == 1:
                    copy(inside.ctypes, seen.ctypes, 4 * len(inside))
                else:
                    for place in range(len(inside)):
                        inside[place] = seen[place * step_right * channels]


@njit(nogil=True, cache=True, error_model="numpy")
def _add(shares, rows, columns, line, image):
    """Add the shares (ow, kh · kw · C) of a line of dy to the pixels that its windows saw."""
    above, kh, step_down, gap_down, _ = rows
    left, kw, step_right, gap_right, width = columns
    height, length, channels = image.shape
    pixels = image.reshape(-1)
    for i in range(kh):
        y = line * step_down + i * gap_down - above
        if y < 0 or y >= height:
            continue
        for place in range(width):
            share = shares[place, i * kw * channels : (i + 1) * kw * channels]
            x = place * step_right - left
            if gap_right == 1 and x >= 0 and x + kw <= length:
                seen = pixels[(y * length + x) * channels :]
                for c in range(len(share)):
                    seen[c] += share[c]
            else:
                for j in range(kw):
                    at = x + j * gap_right
                    if 0 <= at < length:
                        for c in range(channels):
                            image[y, at, c] += share[j * channels + c]
