"""NumPy's scalars and 0-d arrays, which users pass where a Python number is meant."""


def plain_number(value):
    """Return a NumPy or CuPy scalar or 0-d array as a Python number; all else as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.support.scalars import plain_number
    >>> plain_number(np.array(0.5)), plain_number(np.int64(3)), plain_number("3")
    (0.5, 3, '3')
    """
    return value.item() if getattr(value, "ndim", None) == 0 else value


def for_json(value):
    """Return what JSON takes for a value that it does not know; the ``default`` of `json.dumps`."""
    found = plain_number(value)
    if found is value:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return found
