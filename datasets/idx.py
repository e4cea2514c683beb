"""IDX, the file format of MNIST and its relatives: a short header, then bytes.

======  =========================================================================
bytes   meaning
======  =========================================================================
0, 1    zero
2       type of the values; 8 stands for unsigned bytes, the only type used here
3       number of axes n
4...    n lengths, big-endian, 4 bytes each
then    the values, last axis fastest
======  =========================================================================
"""

import gzip
import math
import zlib

import numpy as np

from firstlight.datasets import file_limits

TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32"}
TYPES[0x0E] = "float64"


def read_content(path):
    """Return the bytes of a file, unpacked if it is gzip (whatever its name says).

    Raises
    ------
    ValueError
        The gzip file is corrupt or cut off, or unpacks to far more than its size.
    """
    with open(path, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file_limits.read_unpacked(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path}: corrupt gzip file ({error}); delete it and get it again"
        ) from error


def parse_idx(content, axes, path):
    """Return the array that the bytes of an IDX file hold.

    Parameters
    ----------
    content : bytes
    axes : int
        How many axes there must be: 3 for images, 1 for labels.
    path : path
        Where the bytes come from, for messages.

    Returns
    -------
    array of uint8
        Read-only; it shares the memory of ``content``.

    Raises
    ------
    ValueError
        Not IDX, other values than unsigned bytes, other axes, bytes missing or too many.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise ValueError(
            f"{path}: not an IDX file: expected it to start with 00 00 08 {axes:02x}, "
            f"got {content[:4].hex(' ') or 'nothing'}"
        )
    kind, found = TYPES[content[2]], content[3]
    if kind != "uint8":
        raise ValueError(f"{path}: expected unsigned bytes (uint8), got values of type {kind}")
    if found != axes:
        raise ValueError(
            f"{path}: expected {_what(axes)}, got {_what(found)}; is the file misnamed?"
        )
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start], ">u4").tolist() if len(content) >= start else None
    if shape is None or len(content) - start < math.prod(shape):
        needed = "its header" if shape is None else f"{start + math.prod(shape)} bytes"
        raise ValueError(
            f"{path}: cut off: expected {needed}, got {len(content)} bytes; get the file again"
        )
    if len(content) - start > math.prod(shape):
        raise ValueError(
            f"{path}: {len(content) - start - math.prod(shape)} bytes too many after the "
            f"{math.prod(shape)} values of shape {tuple(shape)}; get the file again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _what(axes):
    kind = {1: " (labels)", 3: " (images)"}.get(axes, "")
    return f"{axes} {'axis' if axes == 1 else 'axes'}{kind}"
