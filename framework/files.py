"""Files that are never half-written."""

import json
import math
import os
import re
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path, content):
    """Write bytes to a file so that a reader finds the old content or the new, never a part.

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
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path):
    """Yield the path of a temporary file; when it is written, it takes the place of ``path``.

    It lies in the same folder, is flushed to the disk and then renamed over the path; at any
    failure the old file stays and the temporary one goes.

    Raises
    ------
    OSError
        As the system reports it: no space, no permission.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files only their owner can read
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name != "nt":  # makes the rename last through a power cut, where the system can
        _sync(path.parent, os.O_RDONLY)


def made_room(path):
    """Return the path of a file that a user asked for, its folder made if it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def forgiving(what):
    """Turn an OSError inside into a warning that ``what`` cannot be written; the training goes on.

    Yields a list, which then holds the error.
    """
    problems = []
    try:
        yield problems
    except OSError as error:
        problems.append(error)
        warnings.warn(
            f"{what} cannot be written ({error}); the training goes on without it", stacklevel=3
        )


def is_temporary(path):
    """Return whether a file is one that `replacing` or safetensors made, by the form of its name.

    Examples
    --------
    >>> from firstlight.files import is_temporary
    >>> is_temporary(".last.safetensors.k3_9xq1z"), is_temporary(".tmpTcJXD0")
    (True, True)
    >>> is_temporary(".ipynb_checkpoints"), is_temporary(".notes")
    (False, False)
    """
    ours, safetensors = r"\..+\.(safetensors|jsonl?|csv|patch)\.\w{8}", r"\.tmp\w{6}"
    return re.fullmatch(f"{ours}|{safetensors}", Path(path).name) is not None


def write_json(path, value):
    """Write a value as readable JSON, atomically; what JSON does not know is written as text."""
    write_atomically(path, json.dumps(strict(value), indent=2, default=str) + "\n")


def strict(value):
    """Return a value whose NaN and infinities are texts, as JSON has no numbers for them.

    Examples
    --------
    >>> from firstlight.files import strict
    >>> strict({"loss": float("nan"), "norms": [1.0, float("-inf")]})
    {'loss': 'NaN', 'norms': [1.0, '-Infinity']}
    """
    if isinstance(value, dict):
        return {name: strict(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path, flags):
    """Wait until a file, or a folder's list of files, is on the disk."""
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
