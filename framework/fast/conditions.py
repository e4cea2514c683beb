"""Conditions of forms, ``condition(layer, x) -> bool`` with the first input x.

The docstring of each names the inputs that fulfil it, for `firstlight forms`.
"""

import importlib
import importlib.util
import logging
import os
from functools import cache
from typing import Any

from numpy import ndarray

from firstlight.fast.cuda import kernel
from firstlight.support.forms import by_dtype, constant

log: logging.Logger = logging.getLogger("firstlight")


@by_dtype
def numpy_float32(layer: Any, x: Any) -> bool:
    """Float32 arrays of NumPy."""
    return isinstance(x, ndarray) and x.dtype.char == "f"


@by_dtype
def gpu_float(layer: Any, x: Any) -> bool:
    """Float32 or float64 arrays of CuPy, on a machine where our kernels compile."""
    return not isinstance(x, ndarray) and kernel.usable(x)


def numpy_float32_weight(layer: Any, x: Any) -> bool:
    """Float32 weights of NumPy."""
    return numpy_float32(layer, layer.weight.data)


def gpu_float_weight(layer: Any, x: Any) -> bool:
    """Float32 or float64 weights of CuPy, on a machine where our kernels compile."""
    return gpu_float(layer, layer.weight.data)


def numpy_parameters(optimizer: Any, _: Any) -> bool:
    """Parameters in arrays of NumPy."""
    return isinstance(optimizer.flat.data, ndarray)


def float32_parameters(optimizer: Any, _: Any) -> bool:
    """Parameters in float32 arrays of NumPy."""
    return numpy_float32(optimizer, optimizer.flat.data)


def gpu_parameters(optimizer: Any, _: Any) -> bool:
    """Float32 or float64 parameters on a GPU, on a machine where our kernels compile."""
    return gpu_float(optimizer, optimizer.flat.data)


@constant
def compiled(layer: Any, x: Any) -> bool:
    """Numba installed, and FIRSTLIGHT_COMPILED not 0."""
    return numba_is_enabled()


@constant
def compiled_products(layer: Any, x: Any) -> bool:
    """Numba installed, FIRSTLIGHT_COMPILED not 0, and NumPy built with OpenBLAS, as its wheels."""
    return numba_is_enabled() and _has_blas()


@cache
def numba_is_enabled() -> bool:
    """Return True if numba is installed and FIRSTLIGHT_COMPILED is not 0."""
    switched_off = os.environ.get("FIRSTLIGHT_COMPILED") == "0"
    return not switched_off and importlib.util.find_spec("numba") is not None


@cache
def _has_blas():
    try:
        importlib.import_module("firstlight.fast.compiled.blas")
    except ImportError as error:
        log.info("products are not compiled: %s", error)
        return False
    return True
