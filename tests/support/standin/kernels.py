"""CUDA kernels on the CPU: compiled as C++, block after block, thread after thread."""

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from standin.array import check, ndarray
from standin.device import counts

HEADER = Path(__file__).with_name("emulator.h")
# Threads of a block that adds up together, and of its warps, in place of 256 and 32: each switch
# costs a µs.
FEW, WARP = 8, 4
SMALLER = {(256,): (FEW,), (256, 1): (FEW, 1), (32, 8): (WARP, FEW // WARP)}  # blocks
FOLDER = Path(tempfile.gettempdir()) / "firstlight-emulated-kernels"


def compiler():
    """Return the path of a C++ compiler, or None."""
    return shutil.which("g++")


class RawModule:
    """CuPy's RawModule, for kernels that are ``extern "C"`` and take plain arguments."""

    def __init__(self, *, code, options=()):
        if compiler() is None:
            raise RuntimeError("NVRTC is not at hand")
        self.bodies = bodies(code)
        self.shared = built(code, tuple(o for o in options if o.startswith("-D")))

    def get_function(self, name):
        """Return the kernel: ``kernel(grid, block, args)``."""
        launch = getattr(self.shared, f"launch_{name}")
        sizes = (ctypes.c_int * 32).in_dll(self.shared, f"sizes_{name}")

        def kernel(grid, block, args):
            if TOGETHER.search(self.bodies[name]):
                assert block in SMALLER, "our kernels that add up in blocks expect 256 threads"
                if len(block) == 2:  # as many rows, or columns, in smaller blocks
                    grid = (grid[0] * 8, *grid[1:])
                block = SMALLER[block]
            values = [_argument(arg) for arg in args]
            given = [ctypes.sizeof(value) for value in values]
            expected = list(sizes[: sizes[31]])
            if given != expected:
                raise TypeError(f"{name}: arguments of {given} bytes, the kernel has {expected}")
            if not (0 < np.prod(block) <= 1024 and np.prod(grid) > 0):
                raise RuntimeError(f"{name}: cudaErrorInvalidConfiguration {grid} {block}")
            pointers = (ctypes.c_void_p * max(len(values), 1))(
                *[ctypes.addressof(value) for value in values]
            )
            keep = (values, args)

            def call():
                dims = [*grid, 1, 1][:3] + [*block, 1, 1][:3]
                if launch(pointers, *map(int, dims)):
                    raise RuntimeError(f"{name}: threads of a block disagree on __syncthreads")
                return keep

            counts.act(call)

        return kernel


def _argument(value):
    if isinstance(value, ndarray):
        counts.use(check(value))
        return ctypes.c_void_p(value.data.ptr)
    if isinstance(value, np.generic):
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
    if isinstance(value, np.ndarray) and value.dtype.names and not value.ndim:
        return ctypes.create_string_buffer(value.tobytes(), value.nbytes)  # a structure
    if isinstance(value, int):
        return ctypes.c_longlong(value)  # as CuPy passes Python's numbers
    if isinstance(value, float):
        return ctypes.c_double(value)
    raise TypeError(f"Unsupported type {type(value)}")


TOGETHER = re.compile(
    "THREADS|row_sum|row_max|channel_sum"
)  # in kernels with a certain size of blocks
WAITS = re.compile(
    "row_sum|row_max|channel_sum|__syncthreads"
)  # in those whose threads wait for each other


def bodies(code):
    """Return the text of each kernel by its name."""
    parts = re.split(r'extern "C" __global__ void (\w+)', code)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def built(code, defines):
    """Compile a source, or find it compiled."""
    ends = "\n".join(
        f"LAUNCHER({name}, {str(bool(WAITS.search(body))).lower()})"
        for name, body in bodies(code).items()
    )
    text = f'#include "{HEADER}"\n{code}\n{ends}\n'
    key = hashlib.sha256((text + HEADER.read_text() + str(defines)).encode()).hexdigest()[:16]
    target = FOLDER / f"{key}.so"
    if not target.exists():
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            source, made = Path(folder, "kernel.cpp"), Path(folder, "kernel.so")
            source.write_text(text)
            warp = 32 if "-DTENSOR" in defines else WARP  # whose threads exchange values
            sizes = f"-DTHREADS={FEW}", f"-DWARP={warp}"
            flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w", *sizes, *defines]
            done = subprocess.run(
                [compiler(), *flags, str(source), "-o", str(made)], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(done.stderr)
            made.replace(target)
    return ctypes.CDLL(str(target))
