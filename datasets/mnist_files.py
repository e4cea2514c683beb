"""The files of the MNIST family: find them in a local folder, download them, parse them.

They are IDX files: a short header, then the values.

======  =========================================================================
bytes   meaning
======  =========================================================================
0, 1    zero
2       type of the values; 8 is unsigned bytes, the only type used here
3       number of axes n
4...    n lengths, big-endian, 4 bytes each
then    the values, last axis fastest
======  =========================================================================
"""

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from firstlight.data.remote_files import RemoteFiles
from firstlight.datasets._file_limits import read_unpacked
from firstlight.support.array import Array
from firstlight.support.files import PathLike

TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


class IdxFiles(RemoteFiles):
    """The four files of a data set, raw or as .gz, in a folder of their own or not.

    Parameters
    ----------
    name : str
    mirrors : sequence of str
    sha256 : dict of str to str
    unpacked : dict of str to str
        SHA-256 of the content of each file, where known: it may have been packed again.
    """

    def __init__(
        self,
        name: str,
        *,
        mirrors: Sequence[str],
        sha256: Mapping[str, str],
        unpacked: Mapping[str, str],
    ) -> None:
        super().__init__(name, mirrors=mirrors, sha256=sha256)
        self.unpacked: Mapping[str, str] = unpacked

    def local(self, folder: PathLike, *, directly: bool = True) -> dict[str, Path] | None:
        """Return ``{file: path}``; the files may always be directly in the folder."""
        return super().local(folder, directly=True)

    def present(self, place: Path, file: str) -> Path | None:
        """Return the path of a file under one of the names in use, or None."""
        raw = file.removesuffix(".gz")
        for name in (raw, raw.replace("-idx", ".idx")):
            for path in (place / name, place / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    def is_whole(self, file: str, path: Path) -> bool:
        """Return whether a file, or its content, has the right checksum."""
        if super().is_whole(file, path):
            return True
        try:
            return hashlib.sha256(read_content(path)).hexdigest() == self.unpacked.get(file)
        except ValueError:  # corrupt
            return False


# The sums of Fashion-MNIST and KMNIST are those of TensorFlow Datasets.
SETS: dict[str, IdxFiles] = {
    name: IdxFiles(name, **source)
    for name, source in json.loads(
        Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    ).items()
}


def check_belongs(name: str, file: str, path: Path, content: bytes) -> None:
    """Raise a ValueError if a file is known to belong to another data set.

    All sets name their files alike, so that a file in the wrong folder would go unnoticed.

    Parameters
    ----------
    name : str
    file : str
        One of `FILES`.
    path : pathlib.Path
    content : bytes
        Unpacked.
    """
    digests = {hashlib.sha256(part).hexdigest() for part in (path.read_bytes(), content)}
    known = {n for n, s in SETS.items() if {s.sha256.get(file), s.unpacked.get(file)} & digests}
    if known and name not in known:
        raise ValueError(
            f"{path}: these are the labels of {known.pop()}, not of {name}; give each data set "
            f"a folder of its own, e.g. {path.parent / name}"
        )


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if they are gzip, whatever the file's name.

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
            return read_unpacked(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path}: corrupt gzip file ({error}); delete it and get it again"
        ) from error


def parse_idx(content: bytes, axes: int, path: PathLike) -> Array:
    """Return the array in the bytes of an IDX file.

    Parameters
    ----------
    content : bytes
    axes : int
        Required: 3 for images, 1 for labels.
    path : path-like
        Used in messages.

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
