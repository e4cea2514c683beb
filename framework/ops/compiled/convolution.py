"""The gradient of a convolution's input: all taps by one product, added up in one pass.

Products for a tap each are narrow, and adding a share takes NumPy a pass over dx for each of them.
32 -> 64 channels, 3 × 3, batch 32, one core: 5.6 ms, against 8.9.
"""

import numpy as np
from numba import njit

from firstlight.ops.scratch import scratch

SHARE_BYTES = 2**20  # of the shares of all taps: half of a core's L2 cache


def add_taps(dy, kernels, rows, columns, dx):
    """Add dy W_ij, for some lines of dy, to the pixels that tap (i, j) saw; for all i and j."""
    n, lines, width, out = dy.shape
    all_taps = kernels.transpose(2, 0, 1, 3).reshape(out, -1)  # (O, kh · kw · C)
    few = max(1, SHARE_BYTES // (width * all_taps.shape[1] * dy.itemsize))
    for sample in range(n):
        for top in range(0, lines, few):
            part = dy[sample, top : top + few].reshape(-1, out)
            shares = scratch("shares", (len(part), all_taps.shape[1]), dy)
            np.matmul(part, all_taps, out=shares)
            before = rows.before - top * rows.stride
            _add(shares, width, (before, *rows[1:4]), columns[:4], dx[sample])


@njit(nogil=True, cache=True, error_model="numpy")
def _add(shares, width, rows, columns, dx):
    """Add row ``line · width + place`` of the shares to the pixels that this window saw."""
    above, kh, step_down, gap_down = rows  # before, taps, stride, dilation
    left, kw, step_right, gap_right = columns
    height, length, channels = dx.shape
    for line in range(len(shares) // width):
        for i in range(kh):
            y = line * step_down + i * gap_down - above
            if 0 <= y < height:
                for place in range(width):
                    share = shares[line * width + place]
                    for j in range(kw):
                        x = place * step_right + j * gap_right - left
                        if 0 <= x < length:
                            start = (i * kw + j) * channels
                            for c in range(channels):
                                dx[y, x, c] += share[start + c]
