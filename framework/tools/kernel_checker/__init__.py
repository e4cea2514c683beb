"""Run CUDA kernels on the CPU in whole blocks, and check each access to memory."""

from firstlight.tools.kernel_checker.compiling import KernelCompileError
from firstlight.tools.kernel_checker.findings import KernelFault
from firstlight.tools.kernel_checker.kernel import Kernel

__all__ = ["Kernel", "KernelCompileError", "KernelFault"]
