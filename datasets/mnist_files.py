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
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.datasets._file_limits import read_unpacked
from firstlight.support.array import Array
from firstlight.support.files import PathLike

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# Mirrors of the .gz files of each data set, and the SHA-256 of each file and, where known, of its
# content. The sums of Fashion-MNIST and KMNIST are those of TensorFlow Datasets.
SOURCES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)
TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


def find_files(name: str, data_dir: PathLike | None) -> dict[str, Path]:
    """Return ``{file: path}`` of a data set, downloaded if no local folder has the files.

    Raises
    ------
    OSError
        Some files are missing, or cannot be downloaded; the message names them and their folder.
    """
    folder = data_dir or os.environ.get("FIRSTLIGHT_DATA")
    found = local_files(name, folder) if folder else None
    if found is not None:
        return found
    if data_dir:
        raise FileNotFoundError(
            f"{name}: no IDX files in {data_dir}; {_how_to_provide(name)}. Without data_dir they "
            "are downloaded"
        )
    try:
        return _downloaded_files(name)
    except Exception as error:
        if folder:
            error.add_note(f"FIRSTLIGHT_DATA={folder} has none of these files")
        raise


def local_files(name: str, folder: PathLike) -> dict[str, Path] | None:
    """Return ``{file: path}`` of a data set in ``<folder>/<name>`` or ``<folder>``, or None.

    Raises
    ------
    FileNotFoundError
        Some of the files are missing, but not all.
    """
    folder = Path(folder).expanduser()
    for place in (folder / name, folder):
        found = {file: _variant(place, file) for file in FILES}
        missing = [file for file, path in found.items() if path is None]
        if not missing:
            return found
        if len(missing) < len(FILES):
            raise FileNotFoundError(f"{name}: {place} lacks {', '.join(missing)} (raw or .gz)")
    return None


def _downloaded_files(name):
    """Download the files that the cache folder lacks, and return ``{file: path}``.

    A file appears in the cache when it is complete and its checksum is right. A mirror that fails
    is tried last for the other files.
    """
    import pooch

    folder = Path(pooch.os_cache("firstlight")) / name
    mirrors, sums = list(SOURCES[name]["mirrors"]), SOURCES[name]["sha256"]
    return {file: _download(name, file, sums[file], mirrors, folder) for file in FILES}


def _how_to_provide(name):
    """Return advice that names the files and their folder."""
    return (
        f"put these files, raw or as .gz, into a folder {Path('...') / name} and set "
        f"FIRSTLIGHT_DATA=... (or data_dir): {', '.join(FILES)}"
    )


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
    sums = ("sha256", "sha256_unpacked")
    known = {n for n, source in SOURCES.items() if {source[k].get(file) for k in sums} & digests}
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


def _variant(folder, file):
    """Return the path of a file under one of the names in use, or None."""
    for name in (file, file.replace("-idx", ".idx")):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _download(name, file, sha256, mirrors, folder):
    import pooch

    problems = []
    for mirror in list(mirrors):
        try:
            path = pooch.retrieve(
                f"{mirror}{file}.gz",
                known_hash=f"sha256:{sha256}",
                fname=f"{file}.gz",
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=30),
            )
            return Path(path)
        except (OSError, ValueError) as error:  # the network's are OSErrors, a checksum's is not
            problems.append(f"{mirror}: {error}")
            mirrors.remove(mirror)
            mirrors.append(mirror)
    raise OSError(
        f"{name}: {file}.gz could not be downloaded; {_how_to_provide(name)}\n"
        + "\n".join(problems)
    )
