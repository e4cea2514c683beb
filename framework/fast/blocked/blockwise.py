"""Element by element, in blocks that stay in the cache, on all cores.

An activation takes several passes, each a NumPy function. Over a whole large array every pass goes
to memory and back; over a block only the first and the last do.
"""

import numpy as np

from firstlight.fast.blocked.parallel import spread_rows


def blockwise(compute, x, *others):
    """Return a new array like x, filled by ``compute(out, x, *others)`` block by block.

    Parameters
    ----------
    compute : callable
        Writes into ``out``, by element; called with flat pieces of all arrays, in several threads
        at once. Temporaries that it makes are as small as a piece.
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
