"""Compiled twins of functions that NumPy takes many passes for; used where numba is installed.

``pip install "firstlight[fast]"`` brings numba. Each file here has functions of the same names and
arguments as the file of NumPy functions that it stands in for, and the tests compare them.
FIRSTLIGHT_COMPILED=0 leaves them unused.

Numba keeps compiled code until the file of the function changes. After a change to what it calls in
another file (`blas`, `frame`, `tile`), touch it too.
"""

import importlib.util
import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from firstlight.support.array import Array

log: logging.Logger = logging.getLogger("firstlight")


def fastest(function: Callable[..., Any], *arrays: Array) -> Callable[..., Any]:
    """Return the compiled twin of a function, or the function itself where there is none.

    Parameters
    ----------
    function : callable
        A function of ``firstlight.fast.NAME``; its twin has its name, without leading underscores,
        in ``firstlight.fast.compiled.NAME``.
    *arrays : array
        What it will be called with; twins are for NumPy's float32 arrays.
    """
    if not all(type(x).__module__ == "numpy" and x.dtype == "float32" for x in arrays):
        return function
    return _twin(function) or function


@cache
def _twin(function):
    switched_off = os.environ.get("FIRSTLIGHT_COMPILED") == "0"
    if switched_off or importlib.util.find_spec("numba") is None:
        return None
    name = function.__module__.rpartition(".")[2]
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ImportError as error:  # such as a BLAS that cannot be called, see `blas`
        log.info("%s is not compiled: %s", function.__module__, error)
        return None
    return getattr(module, function.__name__.lstrip("_"))
