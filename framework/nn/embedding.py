"""Embedding: a lookup table of vectors."""

import numpy as np
from numpy.random import Generator

from firstlight import fast
from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support import rng as randomness
from firstlight.support.array import Array


class Embedding(Module):
    """Replace every index by its row of a table.

    Formula, for indices x of any shape::

        y_n = W_xₙ              W (V, D), y (..., D)

    Gradient: row v of W is in y wherever x_n = v, so the gradients add; indices have none::

        dW_v = Σ_{n: xₙ = v} dy_n

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        V and D: number and length of the vectors.
    padding_idx : int, optional
        Index of a row that is initially zero and gets no gradient; negative from the end.
    rng : numpy.random.Generator, optional
        Generator of the initial values, N(0, 1); the ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)

    Raises
    ------
    ValueError
        Sizes that are not positive, a padding_idx outside the table.
    TypeError
        Indices that are not integers.
    IndexError
        Indices outside the table (checked in NumPy arrays only).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.Embedding(10, 4)
    >>> layer(np.array([[1, 2, 3], [3, 3, 0]])).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: Generator | None = None,
    ):
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(
                "Embedding: expected num_embeddings and embedding_dim of 1 or more, "
                f"got {num_embeddings} and {embedding_dim}"
            )
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: expected padding_idx inside the table of {num_embeddings} rows, "
                f"got {padding_idx}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx: int | None = None if padding_idx is None else padding_idx % num_embeddings
        rng = randomness.stream("init") if rng is None else rng
        weight = rng.standard_normal((num_embeddings, embedding_dim), "float32")
        if padding_idx is not None:
            weight[padding_idx] = 0
        self.weight: Parameter = Parameter(weight)

    def forward(self, x: Array) -> Array:  # x (...), integers
        self._check(x)
        self.save(x)
        return np.take(self.weight.data, x, axis=0)  # (..., D)

    def backward(self, dy: Array) -> None:  # dy (..., D)
        (x,) = self.saved()
        self.check_dy(dy, (*x.shape, self.embedding_dim))
        rows = dy.reshape(-1, self.embedding_dim)  # (N, D)
        fast.add_by_index(self.weight.grad, x.reshape(-1), rows, skip=self.padding_idx)

    def _check(self, x):
        if x.dtype.kind not in "iu":
            raise TypeError(
                f"Embedding: expected integer indices, got {x.dtype}; cast with x.astype('int64')"
            )
        if isinstance(x, np.ndarray) and x.size:
            low, high = x.min(), x.max()
            if low < 0 or high >= self.num_embeddings:
                raise IndexError(
                    f"Embedding: expected indices from 0 to {self.num_embeddings - 1}, got "
                    f"{low} to {high}; build it with num_embeddings={max(high + 1, 1)} or more, "
                    "and number from 0"
                )

    def flops(self, x: Array, y: Array) -> int:
        return 0  # copies only

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
