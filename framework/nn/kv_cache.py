"""KeyValueCache: what attention has computed of earlier positions, kept for the next ones."""

import numpy as np


class KeyValueCache:
    """Room for the keys and values of one `MultiHeadAttention` layer.

    Without it, a generated token would cost a forward over all tokens before it.

    Parameters
    ----------
    capacity : int
        Positions that there is room for.

    Attributes
    ----------
    length : int
        Positions taken.
    """

    def __init__(self, capacity):
        self.capacity, self.length = capacity, 0
        self.keys = self.values = None

    def append(self, k, v):
        """Add positions, k and v of shape (N, H, T, D); return all so far, (N, H, S, D) each.

        Raises
        ------
        ValueError
            There is no room left.
        """
        n, h, t, d = k.shape
        if self.length + t > self.capacity:
            raise ValueError(
                f"KeyValueCache: has room for {self.capacity} positions, {self.length} are taken "
                f"and {t} more came; make it larger"
            )
        if self.keys is None:
            self.keys, self.values = (
                np.empty_like(k, shape=(n, h, self.capacity, d)) for _ in range(2)
            )
        new = slice(self.length, self.length + t)
        self.keys[:, :, new], self.values[:, :, new] = k, v
        self.length = new.stop
        return self.keys[:, :, : new.stop], self.values[:, :, : new.stop]
