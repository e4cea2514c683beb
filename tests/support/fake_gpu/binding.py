"""Python functions in the place of C's: how CuPy, compiled for CUDA, comes to call ours.

CuPy links the driver and cuBLAS as shared libraries; small libraries with the same names and
functions are loaded before them. The CUDA runtime is linked into CuPy's modules, so each of its
functions is overwritten there with a jump. All of them end in a table of addresses, which leads to
ctypes' callbacks. Made for Linux on x86-64.
"""

import atexit
import ctypes
import gc
import re
import subprocess
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

Pointer, Int, Unsigned = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
Size, Long, Float = ctypes.c_size_t, ctypes.c_longlong, ctypes.c_float

FUNCTIONS = {}  # by their names in C
FAULTS = []  # what went wrong within them, beside the errors that CUDA has
LOCK = threading.RLock()  # CuPy calls from several threads, and without Python's own lock
MISSING = 801  # cudaErrorNotSupported
UNKNOWN = 999  # cudaErrorUnknown
JUMP = bytes([0xFF, 0x25, 0, 0, 0, 0])  # to the address that follows
READ_WRITE_EXECUTE = 7


class Refused(Exception):
    """A function of CUDA's returns this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = int(status)


def stands_for(function: Callable) -> Callable:
    """Put a function in the place of C's of the same name; its annotations are C's types."""
    FUNCTIONS[function.__name__] = function
    return function


def write(kind: type, address: int, value: object) -> None:
    """Write a result to where the caller wants it."""
    kind.from_address(address).value = value


@contextmanager
def _no_garbage():
    """Collect no garbage: to free CuPy's memory would call us in the middle of our work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _callback(name):
    function = FUNCTIONS.get(name)
    types = list(function.__annotations__.values()) if function else []

    def call(*arguments):
        with LOCK, _no_garbage():
            try:
                if function is None:
                    raise NotImplementedError(f"{name}: the fake GPU lacks this function")
                return function(*arguments) or 0
            except Refused as error:
                return error.status
            except BaseException:
                FAULTS.append(traceback.format_exc())
                return UNKNOWN if function else MISSING

    return ctypes.CFUNCTYPE(ctypes.c_long, *types)(call)


_libraries = []  # never freed: C keeps their addresses
_folder = tempfile.TemporaryDirectory(prefix="fake-gpu-")


def load_library(soname: str, names: Iterable[str]) -> ctypes.CDLL:
    """Load a library with these functions, which call ours, before CuPy looks for it."""
    names = sorted(names)
    jumps = "".join(
        f".globl {name}\\n.type {name},@function\\n{name}: jmp *table+{8 * index}(%rip)\\n"
        for index, name in enumerate(names)
    )
    source = (
        f'extern "C" {{ __attribute__((visibility("hidden"))) void* table[{len(names)}];\n'
        "void** table_of_functions() { return table; }\nlong nothing() { return 0; } }\n"
        f'asm(".text\\n{jumps}");\n'
    )
    path = f"{_folder.name}/{soname}"
    command = ["g++", "-shared", "-fPIC", f"-Wl,-soname,{soname},--default-symver", "-o", path]
    subprocess.run([*command, "-x", "c++", "-"], input=source, text=True, check=True)
    library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    library.table_of_functions.restype = ctypes.POINTER(ctypes.c_void_p)
    table, callbacks = library.table_of_functions(), [_callback(name) for name in names]
    for index, callback in enumerate(callbacks):
        table[index] = ctypes.cast(callback, ctypes.c_void_p).value
    _libraries.append((library, callbacks))
    atexit.register(_silence, table, len(names), library.nothing)
    return library


def _silence(table, count, nothing):
    """Let all functions do nothing: CuPy frees its memory after Python has ended."""
    for index in range(count):
        table[index] = ctypes.cast(nothing, ctypes.c_void_p).value


def runtime_functions(module: Path) -> dict[str, int]:
    """Return the functions of the CUDA runtime that are linked into a module, and their offsets."""
    symbols = subprocess.run(["nm", str(module)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^([0-9a-f]+) t (cuda[A-Z]\w+)$", symbols, re.M)
    return {
        name: int(offset, 16) for offset, name in found if not name.endswith(("_ptsz", "_ptds"))
    }


def redirect(module: Path, library: ctypes.CDLL) -> None:
    """Overwrite the CUDA runtime in a loaded module with jumps to a library's functions."""
    lines, where = Path("/proc/self/maps").read_text().splitlines(), str(module.resolve())
    base = next(int(line.split("-")[0], 16) for line in lines if line.endswith(where))
    functions = {base + offset: name for name, offset in runtime_functions(module).items()}
    first, last = min(functions) & -4096, max(functions) + len(JUMP) + 8
    if ctypes.CDLL(None).mprotect(Pointer(first), Size(last - first), READ_WRITE_EXECUTE):
        raise OSError(f"{module}: mprotect does not allow writing to code")
    for address, name in functions.items():
        target = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        code = JUMP + target.to_bytes(8, "little")
        ctypes.memmove(address, code, len(code))
