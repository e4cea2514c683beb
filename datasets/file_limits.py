"""Limits of what files may unpack to and claim, checked before memory is taken."""

import zipfile
from math import prod
from types import SimpleNamespace

import numpy as np

ROOM = 2**28  # bytes that any file may unpack to, 256 MiB
RATIO = 100  # times its own size that a larger one may unpack to
CLASSES = 2**16  # that whole numbers in the targets may stand for, or one for each sample
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def allowance(path):
    """Return how many bytes a packed file may unpack to."""
    return max(ROOM, RATIO * path.stat().st_size)


def read_unpacked(file, path):
    """Return the unpacked content of an open file.

    Raises
    ------
    ValueError
        It is larger than `allowance`.
    """
    most, pieces, size = allowance(path), [], 0
    while piece := file.read(2**20):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError(
                f"{path}: {path.stat().st_size:,} bytes unpack to more than {most:,}; if this is "
                "meant to be, unpack the file first"
            )
    return b"".join(pieces)


def check_npz(path):
    """Raise a ValueError unless the arrays of an .npz file have the size that they claim.

    Of each array the header is read, and nothing else: a few bytes can claim any shape, and a
    small file can unpack to any size.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total, most = sum(entry.file_size for entry in entries), allowance(path)
        if total > most:
            raise ValueError(
                f"its {path.stat().st_size:,} bytes unpack to {total:,}, more than {most:,}; if "
                "this is meant to be, save it with np.savez instead of np.savez_compressed"
            )
        names = [entry.filename for entry in entries]
        if len(names) > len(set(names)):
            raise ValueError(f"it holds {max(names, key=names.count)} twice; write the file again")
        for entry in entries:
            with archive.open(entry) as file:
                if entry.filename.endswith(".npy"):
                    _check_npy(file, entry)


def check_npy(path):
    """Raise a ValueError unless the array of an .npy file has the size that it claims."""
    with path.open("rb") as file:
        _check_npy(file, SimpleNamespace(filename=path.name, file_size=path.stat().st_size))


def check_classes(y, who):
    """Raise a ValueError if the largest of some labels stands for more classes than there can be.

    Parameters
    ----------
    y : array of int
    who : str
        Begins the message.
    """
    if y.size and y.max() >= max(CLASSES, len(y)):
        raise ValueError(
            f"{who}: label {y.max()} at position {y.argmax()} would mean {y.max() + 1:,} classes; "
            "number the classes 0, 1, ..., or give float targets for a regression"
        )


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
