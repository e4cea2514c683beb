"""Share: which samples of a batch this rank computes, and random numbers for just these.

A batch of n samples is cut into one run of neighbours for each rank, as even as can be. The last
batch of an epoch may have fewer samples than there are ranks: who gets none computes one all the
same, with weight 0, because the layers, and the sums over ranks, want some.

Random numbers of a layer (dropout) are those that one process would draw for the whole batch; each
rank passes over those of the samples that others have. So every rank's generators always stand
where the one process' would: a checkpoint of rank 0 is everybody's, on however many ranks it is
taken up again.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from firstlight.distributed.communicator import Communicator

_current = None  # of the batch under way; None where this process has the whole batch


@dataclass(frozen=True)
class Share:
    """One rank's part of a batch.

    Attributes
    ----------
    start, stop : int
        Its samples, of the whole batch's.
    whole : int
        Samples in the whole batch.
    communicator : Communicator
        The ranks that have the others.

    Examples
    --------
    >>> from firstlight.distributed.share import Share
    >>> share = Share(4, 7, 10, None)
    >>> share.weight, share.rows
    (3, slice(4, 7, None))
    """

    start: int
    stop: int
    whole: int
    communicator: Communicator

    @classmethod
    def of(cls, whole, communicator):
        """Return a communicator's share of a batch of ``whole`` samples."""
        rank, size = communicator.rank, communicator.size
        return cls(whole * rank // size, whole * (rank + 1) // size, whole, communicator)

    @property
    def weight(self):
        """Samples that count: 0 of a rank for which there were none."""
        return self.stop - self.start

    @property
    def rows(self):
        """The samples to compute, as a slice of the whole batch; one at least."""
        return slice(self.start, max(self.stop, self.start + 1))


def current():
    """Return the `Share` of the training batch under way, or None in a process that is alone."""
    return _current


def take(share):
    """Say which share the following forwards and backwards are of; None for none."""
    global _current
    _current = share


def integers16(generator, shape):
    """Return random uint16 for this rank's rows, out of those for the whole batch.

    Parameters
    ----------
    generator : numpy.random.Generator
        PCG64 leaps over the rows of other ranks in no time; others draw them, too.
    shape : tuple of int
        Rows first: as many as samples, or a multiple of it. With any other number, nobody knows
        which row is whose, and every rank draws the same for its own.
    """
    draw = partial(generator.integers, 2**16, dtype="uint16")
    if _current is None:
        return draw(size=shape)
    per_sample = _rows_per_sample(shape[0])
    if per_sample is None or not hasattr(generator.bit_generator, "advance"):
        return drawn(lambda rows: draw(size=(rows, *shape[1:])), shape[0])
    row = per_sample * math.prod(shape[1:])
    start, stop, end = (row * n for n in (_current.rows.start, _current.rows.stop, _current.whole))
    # Two come from one 32-bit number, and a half that is left over is dropped.
    first = start // 2 * 2
    _pass_over(generator, first // 2)
    mine = draw(size=stop - first)[start - first :]
    _pass_over(generator, -(-end // 2) - first // 2 - -(-(stop - first) // 2))
    return mine.reshape(shape)


def first_row(rows):
    """Return which row of the whole batch's array is the first of this rank's ``rows``."""
    per_sample = _rows_per_sample(rows)
    return 0 if per_sample is None else _current.rows.start * per_sample


def drawn(draw, rows):
    """Return this rank's rows of ``draw(number of rows)``, drawn for the whole batch."""
    per_sample = _rows_per_sample(rows)
    if per_sample is None:
        return draw(rows)
    mine = slice(_current.rows.start * per_sample, _current.rows.stop * per_sample)
    return draw(_current.whole * per_sample)[mine]


def _rows_per_sample(rows):
    if _current is None:
        return None
    per_sample, rest = divmod(rows, _current.rows.stop - _current.rows.start)
    return per_sample if rest == 0 else None


def _pass_over(generator, count):
    """Move a PCG64 generator on as if it had drawn so many numbers of 32 bits.

    Two of them come from one 64-bit number; of an odd count the second half waits.
    """
    bits = generator.bit_generator
    if count and bits.state.get("has_uint32"):
        generator.random(dtype="float32")
        count -= 1
    if count > 1:
        bits.advance(count // 2)
    if count % 2:
        generator.random(dtype="float32")


def moments(mean, var, n):
    """Return mean, variance and count of a whole batch, from those of this rank's n values.

    With n_r values around mean m_r in share r, Σ n_r (var_r + (m_r - mean)²) are the squares
    around the mean of all.

    Parameters
    ----------
    mean, var : array, shape (C,)
        The variance is the biased one.
    n : int
        Values in each channel.

    References
    ----------
    Chan et al., "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
    1979, eq. 2.1.
    """
    if _current is None:
        return mean, var, n
    whole = n // (_current.rows.stop - _current.rows.start) * _current.whole
    n = n if _current.weight else 0
    (center,) = sums(mean * (n / whole))
    (spread,) = sums((var + np.square(mean - center)) * (n / whole))
    return center, spread, whole


def sums(*arrays):
    """Return each array's sum over the ranks that share the batch; all have the same shape."""
    if _current is None:
        return arrays
    together = np.stack(arrays)
    _current.communicator.allreduce_(together)
    return tuple(together)


def row_mean(x):
    """Return the mean over the first axis, the samples, of a whole batch."""
    if _current is None:
        return x.mean(axis=0)
    (total,) = sums(x.sum(axis=0) * (1 if _current.weight else 0))
    return total / _current.whole
