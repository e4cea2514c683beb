"""Values, and zeros where a condition holds."""

import numpy as np


def zero_where(out, values, condition):
    """Write values to ``out``, but 0 where a condition holds.

    A product with 0 and 1 would turn inf · 0 into NaN, and ``np.where`` on a random condition takes
    seven times as long: a number's bits "and" all bits or none do neither.

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
    if not isinstance(out, np.ndarray):  # on a GPU each pass is a launch
        out[...] = np.where(condition, 0, values)
        return
    bits, mask = f"i{out.itemsize}", condition.view("i1") - np.int8(1)  # no bits or all
    np.bitwise_and(values.astype(out.dtype, copy=False).view(bits), mask, out=out.view(bits))
