"""Results of single test samples, ``test_samples.npz`` of a run: for intervals, and paired tests.

The file holds, for the N samples of the test in their order,

==============  =================================================================================
``target``      what metrics take: labels, -1 where none counts, or numbers; shape (N, ...)
``prediction``  scores (N, ..., C), or numbers; left out, with ``target``, above `LARGEST` bytes
``loss``        (N, 2): sum of the losses of a sample, and how many values they are of
``acc``         (N, 2): how many labels of a sample are right, and of how many
``digest``      a hash of the targets: tests with the same are of the same samples
==============  =================================================================================
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from firstlight.support.array import Array
from firstlight.support.files import PathLike, write_atomically

FILE = "test_samples.npz"
LARGEST = 16 * 2**20  # bytes of target and prediction together
MOST = 256 * 2**20  # bytes of a file of someone else that are read


def write(run: PathLike, results: dict[str, Array]) -> None:
    """Write the results of a test into a run's folder.

    Parameters
    ----------
    run : path-like
    results : dict of str to array
        With the ``target``; it is left out, and the ``prediction``, if they are too large, or if
        there is no prediction.
    """
    kept = results | {"digest": np.array(digest(results["target"]))}
    size = sum(results[name].nbytes for name in ("target", "prediction") if name in results)
    if "prediction" not in results or size > LARGEST:
        kept = {n: array for n, array in kept.items() if n not in ("target", "prediction")}
    content = io.BytesIO()
    np.savez_compressed(content, **kept)
    write_atomically(Path(run) / FILE, content.getvalue())


def read(run: PathLike) -> dict[str, Array]:
    """Return the results in a run's folder; {} if there are none, or the file is damaged."""
    try:
        with zipfile.ZipFile(Path(run) / FILE) as file:
            if sum(item.file_size for item in file.infolist()) > MOST:
                return {}
        with np.load(Path(run) / FILE, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    return found if _is_sound(found) else {}


def means(run: PathLike) -> dict[str, float]:
    """Return the metrics ``test_loss`` and ``test_acc`` of the results in a run's folder."""
    found = read(run)
    sums = {name: found[name].sum(axis=0) for name in ("loss", "acc") if name in found}
    return {f"test_{name}": float(total / n) for name, (total, n) in sums.items() if n > 0}


def digest(target: Array) -> str:
    """Return a hash of the targets of a test."""
    content = np.ascontiguousarray(target)
    found = hashlib.sha256(f"{content.shape} {content.dtype.kind}".encode())
    wide = content.astype("int64" if content.dtype.kind in "biu" else "float32")
    found.update(wide.tobytes())
    return found.hexdigest()[:16]


def _is_sound(found):
    """Return whether arrays have the documented shapes and dtypes."""
    arrays = {n: a for n, a in found.items() if n != "digest"}
    if not arrays or any(not a.ndim or a.dtype.kind not in "biuf" for a in arrays.values()):
        return False
    same = len({len(array) for array in arrays.values()}) == 1
    terms = all(found[n].shape[1:] == (2,) for n in ("loss", "acc") if n in found)
    whole = ("target" in found) == ("prediction" in found)
    return same and terms and whole and "digest" in found and found["digest"].dtype.kind == "U"
