"""Embedding: a lookup table of vectors."""

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn._checks import check_padding, check_positive, check_rows
from firstlight.parameter import Parameter
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


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
        check_positive(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        check_padding(self, padding_idx, num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx: int | None = None if padding_idx is None else padding_idx % num_embeddings
        rng = randomness.stream("init") if rng is None else rng
        weight = rng.standard_normal((num_embeddings, embedding_dim), "float32")
        if padding_idx is not None:
            weight[padding_idx] = 0
        self.weight: Parameter = Parameter(weight)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (...), integers
        self.save(x)
        return self.weight.data[x]  # (..., D)

    @accelerated
    def backward(self, dy: Array) -> None:  # dy (..., D)
        (x,) = self.saved()
        x, dy = x.reshape(-1), dy.reshape(-1, self.embedding_dim)  # (N,), (N, D)
        if self.padding_idx is not None:
            dy = np.where((x != self.padding_idx)[:, None], dy, 0)
        np.add.at(self.weight.grad, x, dy)  # dW[x_n] += dy_n for each n, repeated indices too

    def check_input(self, x: Array) -> None:
        check_rows(self, x, "num_embeddings")

    def flops(self, x: Array, y: Array) -> int:
        return 0  # copies only

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
