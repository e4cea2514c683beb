"""Pickle objects for other processes without copying their large arrays into each.

A large array is put into shared memory once. An array that is a part of a memory-mapped file is
mapped again by its name.
"""

import io
import mmap
import os
import pickle
import secrets
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

LARGE = 2**20  # bytes

_attached = []  # shared memory that arrays of this process use


def dumps(item: Any) -> tuple[bytes, list[SharedMemory]]:
    """Return a pickle for `loads`, and the shared memory that it refers to.

    The caller unlinks the memory when no further process will load the pickle.
    """
    file, segments = io.BytesIO(), []
    try:
        _Pickler(file, segments).dump(item)
    except BaseException:
        release(segments)
        raise
    return file.getvalue(), segments


def allocate(size: int) -> SharedMemory:
    """Return new shared memory; its name shows whose it is."""
    return SharedMemory(f"firstlight_{os.getpid()}_{secrets.token_hex(6)}", create=True, size=size)


def loads(content: bytes) -> Any:
    """Return the object of a pickle of `dumps`; its large arrays are read-only."""
    return pickle.loads(content)


def release(segments: list[SharedMemory]) -> None:
    """Close shared memory, and free it when no process uses it any longer."""
    for segment in segments:
        segment.close()
        segment.unlink()


class _Pickler(pickle.Pickler):
    def __init__(self, file, segments):
        super().__init__(file, protocol=5)
        self._segments = segments

    def reducer_override(self, item):
        """Replace a large array by its file or by shared memory."""
        if not isinstance(item, np.ndarray) or item.nbytes < LARGE or item.dtype.hasobject:
            return NotImplemented
        place = _place_in_file(item)
        if place is not None:
            return _map, (*place, item.dtype, item.shape)
        segment = allocate(item.nbytes)
        self._segments.append(segment)
        np.ndarray(item.shape, item.dtype, segment.buf)[...] = item
        return _attach, (segment.name, item.dtype, item.shape)


def _place_in_file(array):
    """Return ``(file name, offset)`` of an array that is a part of a mapped file, else None."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not (isinstance(root, np.memmap) and isinstance(root.base, mmap.mmap)):
        return None
    if root.filename is None or root.mode == "c" or not array.flags.c_contiguous:
        return None
    start, begin = (a.__array_interface__["data"][0] for a in (root, array))
    return str(root.filename), root.offset + begin - start


def _map(name, offset, dtype, shape):
    return np.memmap(name, dtype, "r", offset, shape)


def _attach(name, dtype, shape):
    segment = SharedMemory(name)
    _attached.append(segment)
    array = np.ndarray(shape, dtype, segment.buf)
    array.flags.writeable = False
    return array
