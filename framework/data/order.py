"""The order of an epoch's samples: an array, or for large data sets a function of the position."""

import numpy as np

from firstlight.support import rng as randomness
from firstlight.support.array import Array

LARGE = 2**22  # samples; an array of their order has 32 MiB
BLOCK = 2**13  # positions computed at a time: 64 KiB
ROUNDS = 6  # four leave differences of neighbours that a chi-squared test finds
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of the mixing function, splitmix64's


class InOrder:
    """The positions 0 ... ``count`` - 1 in order; a slice of it is an array of int64.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self.count: int = count

    def __getitem__(self, places: slice) -> Array:
        return np.arange(*places.indices(self.count))


class Permutation:
    """A random permutation of 0 ... ``count`` - 1 that needs no memory.

    It is a Feistel network: the bits of a position are two numbers (l, r), and each round is

        (l, r)  ->  (r, l ^ f(r, key))

    which is a bijection whatever f is. It permutes 0 ... 2^b - 1, with b the bits of the largest
    position. A result of ``count`` or more is permuted again until it is smaller (cycle walking),
    less than twice on average, which is a bijection of the positions below ``count``.

    Parameters
    ----------
    count : int
    rng : numpy.random.Generator
        Draws the keys.

    References
    ----------
    J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, sections 4 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.order import Permutation
    >>> order = Permutation(10, np.random.default_rng(0))
    >>> sorted(order[0:10].tolist()) == list(range(10)), len(order[8:12])
    (True, 2)
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.count: int = count
        bits = max(2, int(count - 1).bit_length())
        self._widths = bits // 2, bits - bits // 2  # of l and r; an even number of rounds
        self._keys = rng.integers(2**64, size=ROUNDS, dtype="uint64")
        self._first, self._block = 0, np.arange(0)  # the samples at positions from `_first` on

    def __getitem__(self, places: slice) -> Array:
        """Return the samples at a slice of positions, an array of int64."""
        begin, end, _ = places.indices(self.count)
        if not self._first <= begin <= end <= self._first + len(self._block):
            last = min(max(end, begin + BLOCK), self.count)
            self._first, self._block = begin, self._samples_at(begin, last)
        return self._block[begin - self._first : end - self._first]

    def _samples_at(self, begin, end):
        found = self._permuted(np.arange(begin, end, dtype="uint64"))
        while (outside := np.flatnonzero(found >= self.count)).size:
            found[outside] = self._permuted(found[outside])
        return found.astype("int64")

    def _permuted(self, positions):
        left_width, right_width = self._widths
        left = positions >> np.uint64(right_width)
        right = positions & np.uint64(2**right_width - 1)
        for key in self._keys:
            mixed = _mixed(right ^ key) >> np.uint64(64 - left_width)
            left, right = right, left ^ mixed
            left_width, right_width = right_width, left_width
        return left << np.uint64(right_width) | right


def order_of(count: int, seed: int, epoch: int, shuffle: bool) -> Array | InOrder | Permutation:
    """Return the order of an epoch; its slices are arrays of sample indices.

    Parameters
    ----------
    count : int
        Samples. Above `LARGE`, the shuffled order is a `Permutation` and no array.
    seed, epoch : int
    shuffle : bool
    """
    if not shuffle:
        return InOrder(count)
    rng = randomness.derived("order", seed, epoch)
    if count > LARGE:
        return Permutation(count, rng)
    order = np.arange(count)
    rng.shuffle(order)
    return order


def _mixed(values):
    """Return numbers of 64 bits, each of which depends on all bits of a value."""
    first, second = map(np.uint64, _FACTORS)
    values = (values ^ (values >> np.uint64(30))) * first
    values = (values ^ (values >> np.uint64(27))) * second
    return values ^ (values >> np.uint64(31))
