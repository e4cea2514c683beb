"""Dispatch: which of two functions works on an array, NumPy's or the GPU's."""

from functools import wraps

import numpy as np

from firstlight.ops import kernel


def by_array(on_host, on_device):
    """Return a function that takes ``on_device`` for arrays that our kernels can work on.

    All others, NumPy's above all, go to ``on_host``, written in array expressions, which CuPy's
    arrays of other dtypes understand too. The first argument decides.
    """

    @wraps(on_host)
    def chosen(x, *args, **kwargs):
        if isinstance(x, np.ndarray) or not kernel.usable(x):
            return on_host(x, *args, **kwargs)
        return on_device(x, *args, **kwargs)

    return chosen
