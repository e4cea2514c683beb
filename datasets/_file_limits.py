"""Limits of the size that files may unpack to or claim, checked before memory is allocated."""

import zipfile
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import numpy as np

ROOM = 2**28  # bytes that any file may unpack to, 256 MiB
RATIO = 100  # largest ratio of unpacked to packed size beyond that
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_unpacked(file: IO[bytes], path: Path) -> bytes:
    """Return the unpacked content of an open file.

    Raises
    ------
    ValueError
        It unpacks to more than a file of this size may.
    """
    size, most = path.stat().st_size, _allowance(path)
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(
            f"{path}: {size:,} bytes unpack to more than {most:,}; if this is intended, unpack "
            "the file first"
        )
    return content


def check_npz(path: Path) -> None:
    """Raise a ValueError unless the arrays of an .npz file have the size that they claim.

    Only the headers are read: a few bytes can claim any shape, and a small file can unpack to any
    size.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total, most = sum(entry.file_size for entry in entries), _allowance(path)
        if total > most:
            raise ValueError(
                f"its {path.stat().st_size:,} bytes unpack to {total:,}, more than {most:,}; if "
                "this is intended, save it with np.savez instead of np.savez_compressed"
            )
        names = [entry.filename for entry in entries]
        if len(names) > len(set(names)):
            raise ValueError(f"it holds {max(names, key=names.count)} twice; write the file again")
        for entry in entries:
            with archive.open(entry) as file:
                if entry.filename.endswith(".npy"):
                    _check_npy(file, entry)


def check_npy(path: Path) -> None:
    """Raise a ValueError unless the array of an .npy file has the size that it claims."""
    with path.open("rb") as file:
        _check_npy(file, SimpleNamespace(filename=path.name, file_size=path.stat().st_size))


def _allowance(path):
    """Return how many bytes a packed file may unpack to."""
    return max(ROOM, RATIO * path.stat().st_size)


def _check_npy(file, entry):
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        major, minor = version
        raise ValueError(f"{entry.filename} has format {major}.{minor} of .npy, not 1.0 or 2.0")
    shape, _, dtype = HEADERS[version](file)
    claimed = prod(shape) * dtype.itemsize
    if claimed == 0 < prod(shape):
        raise ValueError(f"{entry.filename} claims {prod(shape):,} values of no bytes, {dtype}")
    if not dtype.hasobject and claimed != entry.file_size - file.tell():
        raise ValueError(
            f"{entry.filename} claims {claimed:,} bytes, {dtype} of shape {shape}, and has "
            f"{entry.file_size - file.tell():,}; write the file again"
        )
