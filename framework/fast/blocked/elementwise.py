"""Element-wise operations: blocks that stay in the cache, on all cores.

An activation takes several passes, each a NumPy function. Over a whole large array every pass goes
to memory and back. Over a block only the first and the last pass do.
"""

from collections.abc import Callable

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows
from firstlight.support.array import Array


def blockwise(compute: Callable[..., object], x: Array, *others: Array) -> Array:
    """Return a new array like x, filled by ``compute(out, x, *others)`` block by block.

    Parameters
    ----------
    compute : callable
        Writes into ``out``, element by element. It is called with flat pieces of all arrays, in
        several threads at once; its temporaries are as small as a piece.
    x, *others : array
        Of one shape. Contiguous others may be written to as well.

    Examples
    --------
    >>> import numpy as np
    >>> def square_plus(out, x, y):
    ...     np.square(x, out=out)
    ...     out += y
    >>> blockwise(square_plus, np.array([1.0, 2.0]), np.array([0.5, 0.25]))
    array([1.5 , 4.25])
    """
    arrays = [array.reshape(-1) for array in (x, *others)]
    out = np.empty_like(arrays[0])

    def fill(start, stop):
        compute(out[start:stop], *(array[start:stop] for array in arrays))

    spread_rows(fill, out)
    return out.reshape(x.shape)


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x)).

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid(np.array([0.0, 1e4]))
    array([0.5, 1. ])
    """
    return blockwise(sigmoid_into, x)


def sigmoid_into(out: Array, x: Array) -> None:
    """Write the sigmoid of x to ``out``: exactly 0 where exp(-x) overflows."""
    np.negative(x, out=out)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    np.divide(1, out, out=out)


def zero_where(out: Array, values: Array, condition: Array) -> None:
    """Write values to ``out``, but 0 where a condition holds.

    A product with 0 and 1 would turn inf · 0 into NaN, and ``np.where`` is slow on a random
    condition. A bitwise "and" with all bits or none avoids both.

    Parameters
    ----------
    out, values : array of floats, of one shape
    condition : array of bool, of their shape

    Examples
    --------
    >>> import numpy as np
    >>> x, out = np.array([-1.0, np.inf, 2.0]), np.empty(3)
    >>> zero_where(out, x, x > 1)
    >>> out
    array([-1.,  0.,  0.])
    """
    bits, mask = f"i{out.itemsize}", condition.view("i1") - np.int8(1)  # no bits or all
    np.bitwise_and(values.astype(out.dtype, copy=False).view(bits), mask, out=out.view(bits))
