"""CUDA kernels on the CPU: firstlight's kernel checker behind CuPy's RawModule."""

from firstlight.tools.kernel_checker import Kernel, compiling
from standin.array import check, ndarray
from standin.device import counts


def compiler():
    """Return the path of a C++ compiler, or None."""
    return compiling.compiler()


class RawModule:
    """CuPy's RawModule: each launch runs whole blocks, and each access to memory is checked."""

    def __init__(self, *, code, options=()):
        if compiler() is None:
            raise RuntimeError("NVRTC is not at hand")
        self.code, self.options = code, options

    def get_function(self, name):
        """Return the kernel: ``kernel(grid, block, args)``."""
        kernel = Kernel(self.code, name, self.options, orders=("rising",), typed=False)

        def launch(grid, block, args, *, shared_mem=0):
            bare = [check(arg) if isinstance(arg, ndarray) else arg for arg in args]
            bare = [
                arg[()] if getattr(arg, "dtype", None) and arg.dtype.names else arg for arg in bare
            ]
            kernel.check_launch(grid, block, bare, shared_mem=shared_mem)
            counts.act(lambda: kernel(grid, block, bare, shared_mem=shared_mem))

        return launch
