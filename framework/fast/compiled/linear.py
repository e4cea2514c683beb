"""Linear on arrays of any layout: calls the compiled products of `products`."""

from functools import cache

import numpy as np

from firstlight.fast.blocked.parallel import workers
from firstlight.fast.blocked.scratch import scratch
from firstlight.fast.compiled import products
from firstlight.fast.compiled.team import state_of
from firstlight.support.array import Array

NO_NUMBERS, NO_ROWS = np.empty(0, "float32"), np.empty((0, 0), "float32")


def forward(x: Array, w: Array, b: Array | None) -> Array:
    """Return x (N, I) Wᵀ + b."""
    y = np.empty_like(x, order="C", shape=(len(x), len(w)))  # (N, O)
    state, memory = _shared(len(x), w)
    b = NO_NUMBERS if b is None else b
    products.forward(state, _forward_jobs(), _plain(x), _plain(w), b, memory, y)
    return y


def backward(
    x: Array, w: Array, dy: Array, dw: Array, db: Array | None, *, needs_dx: bool
) -> Array | None:
    """Add dyᵀ x to dW and Σ dy to db, and return dy W."""
    dx = np.empty_like(x, order="C") if needs_dx else NO_ROWS
    state, memory = _shared(len(x), w)
    db = NO_NUMBERS if db is None else db
    factors = _plain(x), _plain(w), _plain(dy)
    products.backward(state, _backward_jobs(), *factors, memory, dw, db, dx)
    return dx if needs_dx else None


def _shared(n, w):
    """Return the state of a team and memory for packed factors."""
    threads = workers()
    size = products.memory_size(n, w.shape[1], w.shape[0], threads)
    return state_of(threads), scratch("packed factors", (size,), w)


def _plain(matrix):
    """Return a matrix as the compiled functions take it: contiguous and writeable."""
    return matrix if matrix.flags.carray else np.array(matrix, order="C")


@cache
def _forward_jobs():
    return products.pack_transposed_inputs.address, products.outputs.address


@cache
def _backward_jobs():
    return products.pack_inputs.address, products.gradients.address
