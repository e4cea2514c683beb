"""Kernels, CuPy's and ours: compiled by g++, and run thread by thread by the kernel checker.

With ``FIRSTLIGHT_FAKE_GPU_CHECKS=0`` they are compiled without its checks.
"""

import ctypes
import os
from pathlib import Path

import cupy
import numpy as np

from fake_gpu.binding import FAULTS
from fake_gpu.memory import allocation_of
from firstlight.tools.kernel_checker.compiling import compile_kernels
from firstlight.tools.kernel_checker.launching import KINDS, CheckedArray, CompiledKernel

CHECKED = os.environ.get("FIRSTLIGHT_FAKE_GPU_CHECKS") != "0"
INCLUDES = Path(__file__).with_name("include"), Path(cupy.__file__).parent / "_core" / "include"
# NVRTC allows more than g++. CUDA 13 is where CuPy takes half precision from cuda_fp16.h.
FLAGS = ("-fpermissive", "-D__CUDACC_VER_MAJOR__=13", *(f"-I{folder}" for folder in INCLUDES))


def compile_source(source: str, options: tuple[str, ...]) -> bytes:
    """Return what stands for a compiled module: the path of a library."""
    defines = tuple(option for option in options if option.startswith("-D"))
    return bytes(compile_kernels(source, defines, checked=CHECKED, flags=FLAGS))


class Function:
    """A kernel of a module."""

    def __init__(self, image: bytes, name: str) -> None:
        self.name, self.kernel = name, CompiledKernel(Path(os.fsdecode(image)), name)
        self.sizes = self.kernel.sizes

    def launch(self, grid: tuple, block: tuple, shared: int, values: list[bytes]) -> None:
        """Run the kernel, and note what the checker finds."""
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
