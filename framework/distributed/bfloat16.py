"""Sums of float32 arrays over ranks with 16 bits a number on the wire.

A bfloat16 is the upper half of a float32: its range, and 8 binary digits.
"""

import numpy as np


def rounded(x):
    """Return float32 numbers as the upper halves (uint16) of the nearest bfloat16, ties to even.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.distributed.bfloat16 import rounded, widened
    >>> widened(rounded(np.array([1.0, 3.14159, 0.1], "float32"))).tolist()
    [1.0, 3.140625, 0.10009765625]
    """
    bits = x.view(np.uint32)
    nearest = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    nan = np.isnan(x)  # rounding up could make an infinity of it, or a zero
    if nan.any():
        nearest[nan] = 0x7FC0
    return nearest


def widened(halves):
    """Return bfloat16 numbers, given as `rounded` gives them, as float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def allreduce_(world, x):
    """Replace a float32 array by the sum over all ranks' arrays, in place.

    Rank r gets everybody's part r, sums it up in float32 in the order of the ranks, and sends the
    rounded sum to all: 2 (P - 1) / P numbers of 16 bits each way, as a ring has, and every rank
    ends up with the same bytes.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
    x : array of float32, contiguous
    """
    flat = x.reshape(-1)
    part = -(-flat.size // world.size)
    mine = np.zeros(part * world.size, np.uint16)
    mine[: flat.size] = rounded(flat)
    theirs = np.empty_like(mine)
    world.Alltoall(mine, theirs)  # (size, part): everybody's part r
    total = rounded(widened(theirs).reshape(world.size, part).sum(axis=0))
    world.Allgather(total, mine)
    flat[...] = widened(mine)[: flat.size]
