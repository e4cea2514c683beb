"""CUDA kernels: compile ``kernels/*.cu`` on first use, and launch them.

Each file is compiled for each dtype of activations, which it calls ``Stored``. It computes with
``Real``: double if they are float64, or else float. Common code is in ``kernels/common.cuh``, which
is prepended to each file.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import load_cupy
from firstlight.support.forms import forget_choices

FOLDER = Path(__file__).with_name("kernels")
REAL = {"float32": "float", "float64": "double"}
STORED = REAL | {"float16": "Half", "bfloat16": "Bfloat16"}
BLOCK = 256  # threads
WARP = 32  # threads that exchange values without shared memory
LONG = 1024  # numbers in a row that has a block to itself

_functions, _problem = {}, []


def source(name: str) -> str:
    """Return the CUDA C++ of ``kernels/<name>.cu`` with the common code and what it includes."""
    code = (FOLDER / "common.cuh").read_text("utf-8") + (FOLDER / f"{name}.cu").read_text("utf-8")
    return re.sub(r'#include "(.*)"', lambda found: (FOLDER / found[1]).read_text("utf-8"), code)


def options(dtype: str) -> tuple[str, ...]:
    """Return the compiler options for a dtype of activations, such as "float32"."""
    return ("--std=c++17", f"-DReal={REAL[real(dtype)]}", f"-DStored={STORED[dtype]}")


def real(dtype: Any) -> str:
    """Return the dtype that kernels compute with, "float32" or "float64", on arrays of a dtype."""
    return "float64" if dtype == "float64" else "float32"


def reals(like: Array, shape: int | tuple[int, ...]) -> Array:
    """Return new memory for numbers of the dtype that kernels compute with."""
    return np.empty_like(like, order="C", shape=shape, dtype=real(like.dtype))


def usable(x: Array, dtype: str | None = None) -> bool:
    """Return True if there are kernels for an array: on a GPU, float32 or float64.

    ``dtype`` is that of the kernel's numbers, if it differs from the array's.
    """
    dtype = x.dtype.name if dtype is None else dtype
    if isinstance(x, np.ndarray) or dtype not in REAL or _problem:
        return False
    try:
        _function("elementwise", "fill_kernel", dtype)
    except Exception as error:  # no NVRTC, a driver too old: CuPy has many kinds
        _problem.append(f"{type(error).__name__}: {error}")
        warnings.warn(
            f"firstlight's CUDA kernels cannot be compiled ({_problem[0]}); CuPy's own functions "
            "do the work, slower",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return True


def launch(
    file: str,
    function: str,
    like: Array,
    grid: int | tuple[int, ...],
    *args: Any,
    block: int | tuple[int, ...] = BLOCK,
    defines: tuple[str, ...] = (),
) -> None:
    """Run a kernel.

    Parameters
    ----------
    file, function : str
    like : array
        Its dtype is that of activations.
    grid : int or tuple of int
        Blocks.
    *args : array, int or float
        Contiguous arrays; an int is passed as int, a float as Real, NumPy's scalars and
        structures as they are.
    block : int or tuple of int
        Threads in a block.
    defines : tuple of str
        Options for a compilation of its own, such as "-DWIDTH=64".
    """
    number = np.float64 if like.dtype == "float64" else np.float32
    passed = [np.int32(a) if type(a) is int else number(a) if type(a) is float else a for a in args]
    grid = grid if isinstance(grid, tuple) else (grid,)
    block = block if isinstance(block, tuple) else (block,)
    _function(file, function, like.dtype.name, defines)(grid, block, tuple(passed))


def launch_rows(
    file: str, function: str, like: Array, rows: int, width: int, *args: Any, chunk: int = 0
) -> None:
    """Run a kernel in which a warp computes a row of numbers, or a block if rows are long.

    Parameters
    ----------
    file, function, like, *args
        See `launch`.
    rows, width : int
        Number of rows, and of numbers in each.
    chunk : int
        Rows of a block; by default as many as it has warps.
    """
    block = (WARP, BLOCK // WARP) if width <= LONG else (BLOCK, 1)
    if rows and width:
        launch(file, function, like, -(-rows // (chunk or block[1])), *args, block=block)


def blocks_for(count: int, per_thread: int = 1) -> int:
    """Return the number of blocks in which each thread has ``per_thread`` of ``count`` elements."""
    return max(1, -(-count // (BLOCK * per_thread)))


def _function(file, function, dtype, defines=()):
    cupy = load_cupy()
    key = cupy.cuda.runtime.getDevice(), file, function, dtype, defines
    if key not in _functions:
        module = cupy.RawModule(code=source(file), options=(*options(dtype), *defines))
        _functions[key] = module.get_function(function)
    return _functions[key]


def forget() -> None:
    """Clear the cache of compiled kernels, for tests that replace their sources."""
    _functions.clear()
    _problem.clear()
    forget_choices()
