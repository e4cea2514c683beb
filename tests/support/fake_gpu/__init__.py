"""A GPU that is not there, under the real CuPy.

The functions of CUDA and cuBLAS that CuPy calls are Python's (`binding` puts them there). They are
as unkind as CUDA allows: streams work as late as they may, fresh memory is NaN, captures refuse
what CUDA refuses. Kernels, CuPy's own too, are compiled by g++ and run by the kernel checker, which
checks each access to memory. ``pytest -p fake_gpu.plugin`` runs tests on it.
"""

import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from fake_gpu import cublas, device, graphs, memory, streams  # noqa: F401  their functions
from fake_gpu.binding import FUNCTIONS, load_library, redirect, runtime_functions


def install() -> None:
    """Put the fake GPU under CuPy, which must not have been imported."""
    os.environ["CUPY_ACCELERATORS"] = ""  # CUB's kernels come compiled for a GPU
    backends = Path(find_spec("cupy_backends").origin).parent / "cuda"
    (runtime,) = (backends / "api").glob("runtime.*.so")
    (products,) = (backends / "libs").glob("cublas.*.so")
    driver = {name for name in FUNCTIONS if not name.startswith(("cuda", "cublas"))}
    cuda = load_library("libcuda.so.1", driver | set(runtime_functions(runtime)))
    load_library("libcublasLt.so.13", {"cublasLtCreate"})  # what cuBLAS depends on
    load_library("libcublas.so.13", _undefined(products))

    import_module("cupy_backends.cuda.api.runtime")
    redirect(runtime, cuda)
    import cupy.cuda.compiler

    from fake_gpu import kernels

    for name in ("cub", "thrust"):
        redirect(Path(sys.modules[f"cupy.cuda.{name}"].__file__), cuda)
    device.load_function = kernels.Function

    def compiled(source, options, *arguments, **settings):
        module = cupy.cuda.function.Module()
        module.load(kernels.compile_source(source, options))
        return module

    cupy.cuda.compiler._compile_with_cache_cuda = compiled


def _undefined(module):
    """Return the functions of cuBLAS that a module, or we, call."""
    command = ["nm", "-D", "--undefined-only", str(module)]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = {name for name in FUNCTIONS if name.startswith("cublas")}
    return ours | set(re.findall(r" U (cublas\w+)", symbols))
