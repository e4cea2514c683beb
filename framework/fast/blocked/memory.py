"""Memory that NumPy has freed, kept for the next arrays.

A training step frees its activations, and glibc hands large ones back to the system at once; the
next step gets them page by page, zeroed, at a page fault each: a sixth of the time of a small
GPT's step. So arrays of up to 32 MB come from the heap, whose free end is kept.
"""

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 32 * 2**20  # what glibc allows
KEPT = 2**30


def keep_freed_memory():
    """Tell glibc to keep freed memory; elsewhere, or where the user has set MALLOC_..., nothing."""
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, KEPT)
