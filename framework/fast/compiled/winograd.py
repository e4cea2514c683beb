"""Convolutions with 3 × 3 kernels and stride 1 by Winograd's algorithm: 16 products instead of 36.

Two neighbours of y on a line, of 3 taps each, need 6 products of a number of x with a weight.
Winograd's F(2, 3) needs 4, of sums of x and sums of weights::

    m0 = (x0 - x2) w0                        y0 = x0 w0 + x1 w1 + x2 w2 = m0 + m1 + m2
    m1 = (x1 + x2) (w0 + w1 + w2) / 2        y1 = x1 w0 + x2 w1 + x3 w2 = m1 - m2 + m3
    m2 = (x2 - x1) (w0 - w1 + w2) / 2
    m3 = (x3 - x1) w2

or with matrices y = Aᵀ [(G w) ∘ (Bᵀ x)]. Applied to lines and columns, 2 × 2 pixels of y need 16
products instead of 36, for each pair of channels::

    y = Aᵀ [(G w Gᵀ) ∘ (Bᵀ x B)] A           x (4, 4), w (3, 3), y (2, 2)

Each of the 16 positions is a matrix product of its own, Σ over the channels of x, which the
tiles of `firstlight.fast.compiled.tiles` compute. Bᵀ x B is computed once for all kernels, and the
sum over the channels comes before Aᵀ · A, so that both cost little if there are many channels.

dx is the same convolution, of dy with rotated kernels. For dW, the maps are transposed::

    dW = Gᵀ [Σ (Bᵀ x B) ∘ (A dy Aᵀ)] G

with the sum over all 4 × 4 patches, again a matrix product for each position.

Rounding errors are no larger than those of the sum itself, which has nine times as many terms. A
number that is not finite spoils the pixels of y that it spoils in the lesson, since y0 does not
depend on x3, nor y1 on x0; but they may be NaN where the lesson has an infinity. In dW it would
spoil more: the terms of x1 in dw2 cancel out, unless they are NaN. So a dW that is not finite is
computed again without Winograd.

References
----------
Winograd, "Arithmetic Complexity of Computations", 1980. Lavin & Gray, "Fast Algorithms for
Convolutional Neural Networks", 2016.
"""

import numpy as np

from firstlight.fast.blocked.patches import over_chunks
from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.compiled import convolution, tiles
from firstlight.fast.compiled import winograd_loops as loops
from firstlight.fast.compiled.frame import Frame, as_images, frame_layout
from firstlight.fast.compiled.winograd_loops import LANES, PATCHES, POSITIONS
from firstlight.nn.window import Axis
from firstlight.support.array import Array


def correlate(
    x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
) -> None:
    """Write P(x) kernels + bias into y (N, rows.out, columns.out, O), which may have gaps."""
    channels, out = x.shape[3], y.shape[3]
    packed = scratch("kernels", (kernels.size,), x)
    weights = _by_position("transformed kernels", channels * out, x)
    tiles.pack_kernels(kernels, packed)
    loops.transform_kernels(packed, channels, out, weights)
    start = np.zeros(out, x.dtype) if bias is None else bias
    images, results, down, across = as_images(x), as_images(y), _patches(rows), _patches(columns)

    def chunk(begin, stop):
        lines, memory = _frame_layout(stop - begin, down, across, channels)
        job = loops.Correlation(
            frame=Frame(down, across, lines, scratch("frame", memory, x)),
            x=images,
            y=results,
            weights=weights,
            bias=start,
            seen=_by_position("patches of x", PATCHES * channels, x),
            sums=_by_position("patches of y", PATCHES * tiles.WIDE, x),
            edge=scratch("edge", (4 * LANES,), x),
        )
        loops.correlate(job, begin, stop)

    over_chunks(chunk, x, y.size * len(kernels))


def input_gradient(dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array) -> None:
    """Write Σ_ij dy W_ij, at the pixels that tap (i, j) saw, into dx (N, H, W, C)."""
    ((_, row_taps, row_axis),) = rows.back(dx.shape[1])
    ((_, column_taps, column_axis),) = columns.back(dx.shape[2])
    turned = w[:, row_taps][:, :, column_taps].transpose(1, 2, 0, 3)  # (i, j, O, C)
    correlate(dy, turned.reshape(-1, w.shape[3]), row_axis, column_axis, dx)


def weight_gradient(x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
    """Return (P(x)ᵀ dy)ᵀ, of shape (O, 9 C)."""
    channels, out = x.shape[3], dy.shape[3]
    images, factors, down, across = as_images(x), as_images(dy), _patches(rows), _patches(columns)

    def chunk(begin, stop):
        lines, memory = _frame_layout(stop - begin, down, across, channels + out)
        dy_axes = [axis._replace(before=0, taps=2) for axis in (down, across)]
        dy_memory = (memory[0], 2 * lines, dy_axes[1].span, out)
        job = loops.WeightGradient(
            frame=Frame(down, across, lines, scratch("frame", (*memory[:3], channels), x)),
            dy_frame=Frame(*dy_axes, lines, scratch("dy frame", dy_memory, x)),
            x=images,
            dy=factors,
            seen=_by_position("patches of x", PATCHES * channels, x),
            factors=_by_position("patches of dy", PATCHES * out, x),
            sums=scratch("sums", (POSITIONS, out * channels), x),
        )
        job.sums[...] = 0
        loops.add_weight_gradient(job, begin, stop)
        dw = np.empty((9, out * channels), x.dtype)
        loops.transform_sums(job.sums, dw)
        return dw

    dw = sum(over_chunks(chunk, x, 9 * dy.size * channels))
    if not np.isfinite(dw).all():
        return convolution.weight_gradient(x, dy, rows, columns)
    return dw.reshape(9, out, channels).transpose(1, 0, 2).reshape(out, -1)


def _patches(axis):
    """Return the `Axis` of the 4 pixels that 2 neighbours of y see."""
    return Axis(axis.before, taps=4, stride=2, dilation=1, out=-(-axis.out // 2))


def _frame_layout(count, down, across, channels):
    """Return `frame_layout`, with more images if they have fewer patches than are done at once."""
    lines, (samples, *shape) = frame_layout(count, down, across, channels)
    if lines == down.out:
        samples = max(samples, min(count, -(-PATCHES // (lines * across.out))))
    return lines, (samples, *shape)


def _by_position(name, size, like):
    """Return memory (16, more than ``size``): its rows do not begin on the same cache set."""
    return scratch(name, (POSITIONS, size + LANES), like)
