"""Load compiled kernels and run them, by ctypes: the structures are those of machine/machine.h."""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from firstlight.tools.kernel_checker.compiling import machine_library, symbol

ORDERS = ("rising", "falling", "mixed")
KINDS = (
    *("outside", "misaligned", "read_only", "race", "unset"),
    *("barrier", "lane", "endless", "undefined"),
)
STATIC, DYNAMIC = -1, -2  # arrays of a finding: shared memory
SHARED_LIMIT = 49_152  # bytes a block, static and dynamic
MOST = 16  # findings of a launch


class Entry(ctypes.Structure):
    """A kernel of a library."""

    _fields_ = [
        ("name", c_char_p),
        ("call", c_void_p),
        ("count", c_int),
        ("sizes", POINTER(c_int)),
        ("types", POINTER(c_char)),
        ("pointers", POINTER(c_char)),
        ("shared", c_void_p),
        ("shared_end", c_void_p),
        ("constants", c_void_p),
        ("shared_item", c_int),
    ]


class CheckedArray(ctypes.Structure):
    """Device memory that a launch may use."""

    _fields_ = [
        ("start", c_void_p),
        ("bytes", c_ulong),
        ("item", c_int),
        ("writable", c_int),
        ("unset", c_void_p),
    ]


class Options(ctypes.Structure):
    """How a kernel is run."""

    _fields_ = [("order", c_int), ("seed", c_uint), ("check", c_int), ("find", c_void_p)]


class Finding(ctypes.Structure):
    """What the machine found."""

    _fields_ = [
        ("kind", c_int),
        ("write", c_int),
        ("atomic", c_int),
        ("size", c_int),
        ("array", c_int),
        ("offset", c_long),
        ("block", c_int),
        ("thread", c_int),
        ("other_block", c_int),
        ("other_thread", c_int),
        ("other_write", c_int),
        ("at", c_void_p),
        ("other_at", c_void_p),
        ("text", c_char * 64),
    ]


@cache
def machine() -> ctypes.CDLL:
    """Return the machine, loaded so that kernels find its functions."""
    return ctypes.CDLL(str(machine_library()), mode=ctypes.RTLD_GLOBAL)


class CompiledKernel:
    """A kernel of a compiled library.

    Attributes
    ----------
    sizes : list of int
        Bytes of each argument.
    types : list of str
        NumPy's letter for the type of each argument, or of a pointer's numbers; "" if it has none.
    pointers : list of bool
        Which arguments are pointers.
    constant : list of bool
        Which are pointers to numbers that the kernel only reads.
    """

    def __init__(self, path: Path, name: str):
        machine()
        self.path: Path = path
        self.name: str = name
        self.library: ctypes.CDLL = ctypes.CDLL(str(path))
        try:
            self.entry: Entry = Entry.in_dll(self.library, symbol(name))
        except ValueError:
            raise ValueError(f"{name}: there is no kernel of this name in the source") from None
        entry, count = self.entry, self.entry.count
        self.sizes: list[int] = entry.sizes[:count]
        self.types: list[str] = [entry.types[i].decode().strip("\0") for i in range(count)]
        self.pointers: list[bool] = [entry.pointers[i] != b"\0" for i in range(count)]
        self.constant: list[bool] = [entry.pointers[i] == b"\2" for i in range(count)]
        self.static_shared: int = entry.shared_end - entry.shared

    def launch(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        values: Sequence[Any],
        arrays: Sequence[CheckedArray],
        *,
        shared: int = 0,
        order: str = "rising",
        seed: int = 1,
    ) -> list[Finding]:
        """Run the kernel, and return what was found.

        Parameters
        ----------
        grid, block : sequence of int
            Blocks, and threads of a block, along one to three axes.
        values : sequence of ctypes values
            Arguments; pointers as ``c_void_p``.
        arrays : sequence of CheckedArray
            The memory that the kernel may use.
        shared : int
            Bytes of dynamic shared memory.
        order : str
            Of threads, warps and blocks: one of `ORDERS`.
        seed : int
            Of the mixed order.
        """
        pointers = (c_void_p * max(1, len(values)))(*map(ctypes.addressof, values))
        dimensions = (c_uint * 6)(*[*grid, 1, 1][:3], *[*block, 1, 1][:3])
        known = (CheckedArray * max(1, len(arrays)))(*arrays)
        options, found = Options(ORDERS.index(order), seed, 1, None), (Finding * MOST)()
        count = machine().kernel_launch(
            ctypes.byref(self.entry),
            pointers,
            dimensions,
            c_ulong(shared),
            known,
            len(arrays),
            ctypes.byref(options),
            found,
            MOST,
        )
        return list(found[:count])


def check_limits(name: str, grid: Sequence[int], block: Sequence[int], shared: int) -> None:
    """Raise a ValueError for a grid, block or shared memory that CUDA refuses.

    Parameters
    ----------
    name : str
        Of the kernel.
    grid, block : sequence of int
    shared : int
        Bytes of shared memory, static and dynamic.
    """
    g, b = [*grid, 1, 1][:3], [*block, 1, 1][:3]
    threads = b[0] * b[1] * b[2]
    if min(g) < 1 or g[0] >= 2**31 or max(g[1:]) > 65_535:
        raise ValueError(
            f"{name}: a grid has 1 to 2,147,483,647 blocks along x, 1 to 65,535 along y and z, "
            f"got {tuple(grid)}"
        )
    if min(b) < 1 or threads > 1024 or b[2] > 64:
        raise ValueError(
            f"{name}: a block has 1 to 1,024 threads (64 along z), got {tuple(block)}: {threads:,}"
        )
    if shared > SHARED_LIMIT:
        raise ValueError(
            f"{name}: a block has at most {SHARED_LIMIT:,} bytes of shared memory, got {shared:,}"
        )
