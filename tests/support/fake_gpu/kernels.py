"""Kernels, CuPy's and ours: compiled by g++, and run thread by thread by the kernel checker.

A `cupy.RawModule` tells which arrays its kernels get, and no access may leave its array; they run
once in each of the ``orders`` of threads. Of CuPy's own kernels only addresses are known, and no
access may leave the allocation. ``FIRSTLIGHT_FAKE_GPU_CHECKS=0`` compiles both without the checks.
"""

import ctypes
import os
from pathlib import Path

import cupy
import numpy as np
from numpy.lib.array_utils import byte_bounds

from fake_gpu.binding import FAULTS
from fake_gpu.memory import allocation_of, on_device
from fake_gpu.recording import given
from firstlight.tools.kernel_checker import KernelFault
from firstlight.tools.kernel_checker.compiling import compile_kernels
from firstlight.tools.kernel_checker.kernel import (
    check_arguments,
    parameter_names,
    run_in_orders,
)
from firstlight.tools.kernel_checker.launching import KINDS, ORDERS, CheckedArray, CompiledKernel

CHECKED = os.environ.get("FIRSTLIGHT_FAKE_GPU_CHECKS") != "0"
INCLUDES = Path(__file__).with_name("include"), Path(cupy.__file__).parent / "_core" / "include"
# NVRTC allows more than g++. CUDA 13 is where CuPy takes half precision from cuda_fp16.h.
FLAGS = ("-fpermissive", "-D__CUDACC_VER_MAJOR__=13", *(f"-I{folder}" for folder in INCLUDES))

orders = ORDERS[:1]


def compile_source(source: str, options: tuple[str, ...]) -> bytes:
    """Return what stands for a compiled module: the path of a library."""
    defines = tuple(option for option in options if option.startswith("-D"))
    return bytes(compile_kernels(source, defines, checked=CHECKED, flags=FLAGS))


class RawModule(cupy.RawModule):
    """CuPy's own, which also tells the fake GPU what its kernels are given."""

    def get_function(self, name):
        """Return a kernel."""
        function = super().get_function(name)

        def launch(grid, block, arguments, **settings):
            given[:] = self.code, arguments
            try:
                function(grid, block, arguments, **settings)
            finally:
                given.clear()

        return launch


cupy.RawModule = RawModule


class _Memory:
    """An array's memory, for NumPy to view; it may still be freed."""

    def __init__(self, array):
        self.__array_interface__ = array.__cuda_array_interface__


def _viewed(argument):
    if isinstance(argument, cupy.ndarray):
        return np.asarray(_Memory(argument))
    return argument[()] if isinstance(argument, np.ndarray) else argument  # a structure


class Function:
    """A kernel of a module."""

    def __init__(self, image: bytes, name: str) -> None:
        self.name, self.kernel = name, CompiledKernel(Path(os.fsdecode(image)), name)
        self.sizes = self.kernel.sizes

    def launch(self, grid: tuple, block: tuple, shared: int, values: list[bytes]):
        """Return a function that runs the kernel and notes what the checker finds."""
        if not given:
            return lambda: self._run(grid, block, shared, values)
        source, arguments = given
        names = parameter_names(source, self.name, len(self.sizes))
        views = [_viewed(argument) for argument in arguments]
        check_arguments(self.kernel, names, views, typed=False)
        return lambda: self._run_in_orders(names, grid, block, views, shared)

    def _run_in_orders(self, names, grid, block, views, shared):
        for name, view in zip(names, views, strict=True):
            start, stop = byte_bounds(view) if isinstance(view, np.ndarray) else (0, 0)
            if start < stop and not on_device(start, stop - start):
                FAULTS.append(f"{self.name}: the memory of {name} has been freed")
                return
        try:
            run_in_orders(self.kernel, names, grid, block, views, shared, orders=orders)
        except KernelFault as fault:
            FAULTS.extend(fault.findings)

    def _run(self, grid, block, shared, values):
        buffers = [(ctypes.c_char * len(value)).from_buffer_copy(value) for value in values]
        for finding in self.kernel.launch(
            grid, block, buffers, self._arrays(values), shared=shared
        ):
            kind = KINDS[finding.kind]
            # In CuPy's reductions, threads without numbers exchange values that they do not have.
            if kind != "unset" or not self.name.startswith("cupy_"):
                FAULTS.append(f"{self.name}: {kind}")

    def _arrays(self, values):
        """Return the memory that arguments begin with the address of: pointers, CuPy's arrays."""
        items = {}
        for value, letter in zip(values, self.kernel.types, strict=True):
            memory = allocation_of(int.from_bytes(value[:8], "little")) if len(value) >= 8 else None
            if memory is not None and memory.device is not None:
                item = np.dtype(letter).itemsize if letter else 1
                items[memory] = min(item, items.get(memory, item))
        return [CheckedArray(memory.start, memory.size, n, 1, None) for memory, n in items.items()]
