"""Compiled forms of functions that need many passes in NumPy; used if numba is installed.

``pip install "firstlight[fast]"`` installs numba. Each file has functions of the same names and
arguments as the file of NumPy functions that it replaces, and the tests compare them.
FIRSTLIGHT_COMPILED=0 disables them.

Numba caches compiled code until the file of the function changes. After a change to a function that
it calls in another file (`blas`, `frame`, `tile`), touch the caller's file too.
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
    """Return the compiled form of a function, or the function itself if there is none.

    Parameters
    ----------
    function : callable
        A function of a module NAME; the compiled one has its name, without leading underscores,
        in ``firstlight.fast.compiled.NAME``.
    *arrays : array
        Its arguments; only NumPy's float32 arrays have compiled forms.
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
