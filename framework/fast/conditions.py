"""Conditions of forms, ``condition(layer, x) -> bool`` with the first input x.

The docstring of each names the inputs that fulfil it, for `firstlight forms`.
"""

import importlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy import ndarray
from numpy._core import _multiarray_umath

from firstlight.fast.compiled.sgemm import sgemm_address
from firstlight.fast.cuda import gemm, kernel
from firstlight.support import half
from firstlight.support.forms import by_dtype, constant, takes_half

log: logging.Logger = logging.getLogger("firstlight")

# Sizes from which a compiled form saves about 0.3 ms a step, so that some 2,000 steps repay the
# import of numba. They depend on the call alone, not on what is already imported: a resumed
# training takes the same forms.
NUMBERS = 2**15
PARAMETERS = 2**17
PRODUCTS = 2**21
PIXELS = 2**10
WEIGHTS = 2**15  # of a Linear layer, whose batches are larger in an evaluation than in a training
_sizes = {"all": False}


@by_dtype
def numpy_float32(layer: Any, x: Any) -> bool:
    """Float32 arrays of NumPy."""
    return isinstance(x, ndarray) and x.dtype.char == "f"


@by_dtype
def gpu_float(layer: Any, x: Any) -> bool:
    """Float32 or float64 arrays of CuPy, on a machine where our kernels compile."""
    return not isinstance(x, ndarray) and kernel.usable(x)


@takes_half
@by_dtype
def gpu_stored(layer: Any, x: Any) -> bool:
    """Float32 or float64 arrays of CuPy, or activations in half precision; our kernels compile."""
    return not isinstance(x, ndarray) and kernel.usable(x, "float32" if half.is_half(x) else None)


def numpy_float32_weight(layer: Any, x: Any) -> bool:
    """Float32 weights of NumPy."""
    return numpy_float32(layer, layer.weight.data)


def few_kernels(layer: Any, x: Any) -> bool:
    """At most 256 kernels in a group; 64 if the precision of products is not "32"."""
    most = 256 if gemm.is_exact() else 64
    return layer.weight.shape[0] <= most * layer.groups


@takes_half
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


def without_amsgrad(optimizer: Any, _: Any) -> bool:
    """Without amsgrad."""
    return "max_exp_avg_sq" not in optimizer.state


def many_numbers(layer: Any, x: Any) -> bool:
    """At least 32,768 numbers."""
    return (x.size >= NUMBERS or _sizes["all"]) and numba_is_usable()


def many_products(layer: Any, x: Any) -> bool:
    """At least 2,097,152 products: weights times pixels of x."""
    products = layer.weight.size * (x.size // x.shape[-1])
    return (products >= PRODUCTS or _sizes["all"]) and numba_is_usable()


def three_by_three(layer: Any, x: Any) -> bool:
    """3 × 3 kernels, stride 1, multiples of 32 channels; at least 1,024 pixels, 6 × 6 or more."""
    window, (_, *image, channels) = layer.window, x.shape
    plain = window.kernel == (3, 3) and window.stride == window.dilation == (1, 1)
    if not plain or layer.groups > 1 or channels % 32 or layer.out_channels % 32:
        return False
    return (x.size >= PIXELS * channels and min(image) >= 6) or (x.size > 0 and _sizes["all"])


def many_parameters(optimizer: Any, _: Any) -> bool:
    """At least 131,072 parameters."""
    return (optimizer.flat.data.size >= PARAMETERS or _sizes["all"]) and numba_is_usable()


@contextmanager
def every_size() -> Iterator[None]:
    """Let compiled forms have inputs of any size, in all threads: to compile them, or in a test."""
    before, _sizes["all"] = _sizes["all"], True
    try:
        yield
    finally:
        _sizes["all"] = before


@constant
def compiled(layer: Any, x: Any) -> bool:
    """Numba installed, and FIRSTLIGHT_COMPILED not 0."""
    return numba_is_enabled()


@constant
def compiled_tiles(layer: Any, x: Any) -> bool:
    """Numba installed, FIRSTLIGHT_COMPILED not 0, and a processor with AVX2."""
    return numba_is_enabled() and _has_avx2()


def many_linear_products(layer: Any, x: Any) -> bool:
    """From 16 to 512 rows; at least 32,768 weights and 4,194,304 products; contiguous weights."""
    weight, rows = layer.weight, x.size // layer.in_features
    fits = 16 <= rows <= 512 and weight.size >= WEIGHTS and rows * weight.size >= 2 * PRODUCTS
    if not (fits or (rows and _sizes["all"])):
        return False
    return weight.data.flags.carray and weight.grad.flags.carray and numba_is_usable()


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
def numba_is_usable() -> bool:
    """Import numba, which takes half a second; return False, with a warning, if it fails."""
    try:
        importlib.import_module("numba")
    except Exception as error:  # such as numba's own check of NumPy's version
        warnings.warn(
            f"numba cannot be imported, and slower forms are used: {error}; install the numba that "
            f"fits NumPy {np.__version__} (pip install -U numba), or set FIRSTLIGHT_COMPILED=0",
            stacklevel=2,
        )
        return False
    return True


@cache
def _has_avx2():
    features = getattr(_multiarray_umath, "__cpu_features__", {})
    return bool(features.get("AVX2") and features.get("FMA3"))


@cache
def _has_blas():
    try:
        sgemm_address()
    except ImportError as error:
        log.info("products are not compiled: %s", error)
        return False
    return True
