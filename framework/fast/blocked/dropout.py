"""What dropout is drawn from, on the CPU: the stream ``dropout``, or a layer's own generator."""

import numpy as np

from firstlight.distributed import share
from firstlight.support import rng as randomness


def dropout_mask(x, p, shape, rng=None):
    """Return a mask, on the device of x, that is False with probability p.

    Parameters
    ----------
    x : array
    p : float
    shape : tuple of int
    rng : numpy.random.Generator, optional
        The ``dropout`` stream by default; on a GPU Philox, see `firstlight.fast.cuda.philox`.
    """
    rng = randomness.stream("dropout") if rng is None else rng
    draws = share.integers16(rng, shape)  # twice as fast as floats
    return np.asarray(draws >= round(p * 2**16), like=x)


def dropout_seeds(x):
    """Return a seed for each sample of x, from which attention draws its dropout."""
    draw = randomness.stream("dropout").integers
    return share.drawn(lambda rows: draw(2**63, size=rows), len(x))
