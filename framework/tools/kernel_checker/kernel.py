"""A kernel that is called as a cupy.RawKernel, on NumPy arrays, and checked while it runs."""

import ctypes
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.tools.kernel_checker.compiling import (
    check_declaration,
    compile_kernels,
    kernel_names,
)
from firstlight.tools.kernel_checker.device_memory import DeviceMemory, regions
from firstlight.tools.kernel_checker.findings import KernelFault, describe
from firstlight.tools.kernel_checker.launching import ORDERS, CompiledKernel, check_limits

_memory, _memory_lock = DeviceMemory(), threading.Lock()


class Kernel:
    """A CUDA kernel on the CPU: whole blocks of threads, each access to memory checked.

    Parameters
    ----------
    source : str
        CUDA C++, as for ``cupy.RawKernel``.
    name : str
        Of the kernel; of a template an instance, such as ``"scale<float>"``.
    options : tuple of str
        For the compiler; those that begin with ``-D`` or ``-I`` are used.
    orders : tuple of str
        In which order threads run: "rising", "falling", "mixed". The kernel runs once in each, from
        the same values.

    Raises
    ------
    KernelCompileError
        If the source is not correct.
    RuntimeError
        If there is no g++.

    Examples
    --------
    A thread for each number, and no check that there is one:

    >>> scale = Kernel('''
    ... extern "C" __global__ void scale(const float* x, float* y, float factor) {
    ...     int i = blockIdx.x * blockDim.x + threadIdx.x;
    ...     y[i] = factor * x[i];
    ... }
    ... ''', "scale")
    >>> x = np.ones(1000, np.float32)
    >>> try:
    ...     scale((4,), (256,), (x, np.empty_like(x), np.float32(2)))
    ... except KernelFault as fault:
    ...     for part in fault.findings[0].split(": "):
    ...         print(part)
    scale, block 3, thread 232 (kernel.cu line 4)
    reads x[1000], 1 past its 1,000 numbers. Usual cause
    more threads than numbers. Only a thread with i < n may read and write.
    """

    def __init__(
        self,
        source: str,
        name: str,
        options: Sequence[str] = (),
        *,
        orders: Sequence[str] = ORDERS,
    ):
        unknown = set(orders) - set(ORDERS)
        if unknown or not orders:
            raise ValueError(f"Kernel: orders must be among {ORDERS}, got {tuple(orders)}")
        check_declaration(source, name)
        names = kernel_names(source)
        self.alone: bool = set(names) <= {name}
        names = (*names, name) if name not in names else tuple(names)
        path = compile_kernels(source, tuple(options), names=names)
        self.name: str = name
        self.orders: tuple[str, ...] = tuple(orders)
        self.compiled: CompiledKernel = CompiledKernel(path, name)
        self.parameters: list[str] = parameter_names(source, name, len(self.compiled.sizes))

    def __call__(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Run the kernel; arrays change in place.

        Parameters
        ----------
        grid, block : tuple of int
            Blocks, and threads of a block, along one to three axes.
        args : tuple
            Contiguous NumPy arrays, and NumPy scalars of the kernel's types. ``np.int64(0)`` is a
            null pointer.
        shared_mem : int
            Bytes of dynamic shared memory.

        Raises
        ------
        KernelFault
            With a sentence for each finding; the arrays are as they were.
        TypeError, ValueError
            If arguments do not fit, or CUDA refuses the launch.
        """
        self.check_launch(grid, block, args, shared_mem=shared_mem)
        run_in_orders(
            self.compiled, self.parameters, grid, block, args, shared_mem, orders=self.orders
        )

    def check_launch(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Raise a TypeError or ValueError if a launch is not as it must be; see `__call__`.

        Parameters
        ----------
        grid, block, args, shared_mem
            As for a call.
        """
        static = self.compiled.static_shared if self.alone else 0  # else of all kernels together
        check_limits(self.name, grid, block, shared_mem + static // 64 * 64)
        check_arguments(self.compiled, self.parameters, args, typed=True)


def check_arguments(
    kernel: CompiledKernel, parameters: Sequence[str], args: Sequence[Any], *, typed: bool
) -> None:
    """Raise a TypeError or ValueError for arguments that do not fit a kernel's parameters.

    Parameters
    ----------
    kernel : CompiledKernel
    parameters : sequence of str
        Names of its parameters.
    args : sequence of numpy.ndarray, NumPy scalars
    typed : bool
        If False, arrays may be of other types than the kernel's pointers, such as placeholders of
        which it makes no use, and views.
    """
    expected = len(parameters)
    if len(args) != expected:
        raise TypeError(
            f"{kernel.name}: expected {expected} arguments ({', '.join(parameters)}), "
            f"got {len(args)}"
        )
    for place, value in enumerate(args):
        who = f"{kernel.name}: argument {place + 1}, {parameters[place]}"
        letter, pointer = kernel.types[place], kernel.pointers[place]
        type_name = np.dtype(letter).name if letter else "a type of its own"
        if pointer and isinstance(value, np.int64) and value == 0:
            continue  # no array
        if pointer != isinstance(value, np.ndarray):
            wanted = f"a NumPy array of {type_name}" if pointer else f"np.{type_name}(...)"
            raise TypeError(f"{who}: expected {wanted}, got {type(value).__name__}")
        if not pointer and not isinstance(value, np.generic):
            raise TypeError(
                f"{who}: expected np.{type_name}({value!r}), got Python's {value!r}, which "
                "CuPy passes as 8 bytes"
            )
        if letter and (typed or not pointer) and value.dtype != np.dtype(letter):
            raise TypeError(f"{who}: expected {type_name}, as in the kernel, got {value.dtype}")
        if not pointer and value.nbytes != kernel.sizes[place]:
            raise TypeError(
                f"{who}: expected {kernel.sizes[place]} bytes, as in the kernel, got {value.nbytes}"
            )
        if pointer and typed and not value.flags.c_contiguous:
            raise ValueError(
                f"{who}: a view that is not contiguous, while a kernel sees memory as it lies; "
                "pass np.ascontiguousarray(...)"
            )


def run_in_orders(
    kernel: CompiledKernel,
    parameters: Sequence[str],
    grid: Sequence[int],
    block: Sequence[int],
    args: Sequence[Any],
    shared: int,
    *,
    orders: Sequence[str] = ORDERS,
) -> None:
    """Run a compiled kernel once in each order of threads, from the same values.

    Parameters
    ----------
    kernel : CompiledKernel
    parameters : sequence of str
        Names of its parameters, for messages.
    grid, block, args
        As for a call of `Kernel`; arrays change in place.
    shared : int
        Bytes of dynamic shared memory.
    orders : sequence of str
        The results are those of the last.

    Raises
    ------
    KernelFault
        With a sentence for each finding of the first order that has some.
    """
    named = zip(parameters, args, kernel.constant, strict=True)
    found = regions([one for one in named if isinstance(one[1], np.ndarray) and one[1].size])
    with _memory_lock:
        for order in orders:
            _memory.copy_in(found)
            findings = run(kernel, grid, block, args, found, shared, order)
            if findings:
                raise KernelFault(findings)
        _memory.copy_out(found)


def parameter_names(source: str, name: str, count: int) -> list[str]:
    """Return the names of a kernel's parameters, or "argument 1" ... if they cannot be read.

    Parameters
    ----------
    source : str
        CUDA C++.
    name : str
        Of the kernel.
    count : int
        How many parameters it has.
    """
    plain = re.escape(name.split("<")[0])
    found = re.search(rf"\b{plain}\s*\(([^)]*)\)\s*\{{", re.sub(r"//.*", "", source))
    names = re.findall(r"(\w+)\s*(?:,|$)", found[1].strip()) if found else []
    return names if len(names) == count else [f"argument {i + 1}" for i in range(count)]


def run(
    kernel: CompiledKernel,
    grid: Sequence[int],
    block: Sequence[int],
    args: Sequence[Any],
    found: Sequence[Any],
    shared: int,
    order: str,
) -> list[str]:
    """Run a compiled kernel on memory that has been copied in, and return sentences about findings.

    Parameters
    ----------
    kernel : CompiledKernel
    grid, block : sequence of int
    args : sequence of numpy.ndarray, NumPy scalars
    found : sequence of Region
        Of the arrays among them.
    shared : int
        Bytes of dynamic shared memory.
    order : str
        Of threads.
    """
    addresses = {id(a): region.address_of(a) for region in found for _, a, _ in region.arrays}
    values = [
        ctypes.c_void_p(addresses.get(id(a), 0))
        if isinstance(a, np.ndarray)
        else (ctypes.c_char * a.nbytes).from_buffer_copy(a.tobytes())
        for a in args
    ]
    checked = [region.checked() for region in found]
    findings = kernel.launch(grid, block, values, checked, shared=shared, order=order)
    arrays = [
        [(name, a, region.address_of(a) - region.place.ctypes.data) for name, a, _ in region.arrays]
        for region in found
    ]
    return list(filter(None, (describe(one, kernel, grid, block, arrays) for one in findings)))
