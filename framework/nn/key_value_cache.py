"""KeyValueCache: what attention remembers while it generates."""

import numpy as np

from firstlight.support import rng
from firstlight.support.array import Array


class KeyValueCache:
    """Cache of the keys and values of one `MultiHeadAttention` layer.

    Without it, each generated token needs a forward of all tokens before it.

    Parameters
    ----------
    capacity : int
        Largest number of positions.

    Attributes
    ----------
    length : int
        Number of cached positions.
    place : array of int64, shape (1,), or None
        The same on a GPU, for CUDA graphs, which repeat numbers of the host. If it is set,
        `MultiHeadAttention.extend` takes one position at a time; the caller advances it.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.length: int = 0
        self.place: Array | None = None
        self.keys: Array | None = None
        self.values: Array | None = None

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Append k and v of shape (N, H, T, D); return all cached ones, (N, H, S, D) each.

        Raises
        ------
        ValueError
            The capacity is exceeded.
        RuntimeError
            A CUDA graph is captured, in which ``length`` would be frozen.
        """
        if rng.is_capturing():
            raise RuntimeError("KeyValueCache.append: its length would be frozen in a graph")
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
