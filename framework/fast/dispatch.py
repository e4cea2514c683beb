"""Dispatch: which of two functions works on an array, NumPy's or the GPU's."""

from functools import wraps

import numpy as np

from firstlight.fast.cuda import kernel


def by_array(on_host, on_device, dtype=None):
    """Return a function that takes ``on_device`` for arrays that our kernels can work on.

    All others, NumPy's above all, go to ``on_host``, written in array expressions, which CuPy's
    arrays of other dtypes understand too. The first argument decides, by its dtype unless one is
    given.
    """

    @wraps(on_host)
    def chosen(x, *args, **kwargs):
        if isinstance(x, np.ndarray) or not kernel.usable(x, dtype):
            return on_host(x, *args, **kwargs)
        return on_device(x, *args, **kwargs)

    return chosen
