"""Memory that glibc keeps for the arrays of the next step."""

import ctypes
import os
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 32 * 2**20  # bytes; glibc's maximum
KEPT = 2**30  # bytes


@cache
def keep_memory() -> None:
    """Make glibc keep the memory that NumPy frees, from now on.

    A step frees its activations. By default glibc returns large arrays to the system, and the next
    step gets them back page by page, zeroed: a sixth of the time of a small GPT's step. After this
    call arrays of up to 32 MB come from the heap, which keeps up to 1 GB of free memory. Without
    glibc, or if a variable MALLOC_... is set, nothing changes.
    """
    if libc := _glibc():
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, KEPT)


def return_memory() -> None:
    """Return free memory to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if os.name != "posix" or any(n.startswith(("MALLOC_", "GLIBC_TUNABLES")) for n in os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
