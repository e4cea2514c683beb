"""Files that are never half-written."""

import json
import os
import tempfile
from pathlib import Path


def write_atomically(path, content):
    """Write bytes to a file so that a reader finds the old content or the new, never a part.

    A temporary file in the same folder is written, flushed to the disk and renamed over the
    path; at any failure the old file stays and the temporary one goes.

    Parameters
    ----------
    path : path-like
    content : bytes or str
        Text is encoded as UTF-8.

    Raises
    ------
    OSError
        As the system reports it: no space, no permission.
    """
    path = Path(path)
    content = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path, value):
    """Write a value as readable JSON, atomically; what JSON does not know is written as text."""
    write_atomically(path, json.dumps(value, indent=2, default=str) + "\n")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    """Make a rename last through a power cut, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
