"""Files that are never half-written."""

import errno
import json
import math
import os
import re
import secrets
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeAlias

from firstlight.support.scalars import plain_number

PathLike: TypeAlias = str | os.PathLike[str]

# What file systems say to a request that they do not know, such as to sync a folder.
UNSUPPORTED = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EACCES}
guards = {}  # folder -> function that raises unless this process may still write there


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
    RunTakenOver
        The path lies in the folder of a run that another process has taken over meanwhile.
    """
    path = Path(path)
    temporary = _make_temporary(path)
    mode = temporary.stat().st_mode
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        if temporary.stat().st_mode != mode:  # safetensors lets only their owner read its files
            os.chmod(temporary, mode)
        check_guards(path)
        try:
            os.replace(temporary, path)
        except FileNotFoundError:  # deleted by a new owner, if this process was stopped just here
            check_guards(path)
            raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_exclusively(path, content):
    """Write a file whole where none exists, and return whether it was this call that made it.

    Of several processes, on whatever machines, exactly one succeeds, on NFS too. On a file system
    without hard links a reader may find the file while it is still empty.

    Parameters
    ----------
    path : path-like
    content : str

    Raises
    ------
    OSError
        As the system reports it: no space, no permission.
    """
    path = Path(path)
    temporary = _make_temporary(path)
    try:
        temporary.write_text(content, encoding="utf-8")
        _sync(temporary, os.O_RDWR)
        try:
            os.link(temporary, path)
        except FileExistsError:  # perhaps by our own request, whose answer NFS lost
            return temporary.stat().st_nlink == 2
        except OSError:  # no hard links here
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(content)
            except FileExistsError:
                return False
            _sync(path, os.O_RDWR)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def check_guards(path):
    """Raise what the guard of a folder above a path raises; see `guards`."""
    if guards:
        for folder in Path(path).absolute().parents:
            if folder in guards:
                guards[folder]()


def no_link(path, flags):
    """Open a file, but not where a link stands for another one; ``opener=no_link`` of `open`.

    A run from another user may have a link where a training appends.
    """
    if os.path.islink(path) and (os.path.isfile(path) or not os.path.exists(path)):
        raise OSError(f"{path} is a link to {os.readlink(path)}; remove it")
    return os.open(path, flags, 0o666)


def refuse_link(path):
    """Raise an OSError if a folder in a run's folder is a link: its files would land elsewhere."""
    if os.path.islink(path):
        raise OSError(f"{path} is a link to {os.readlink(path)}; put the folder itself there")


def from_here(path):
    """Return an absolute path as messages show it: from the working directory, if it is below."""
    here = working_directory()
    return path.relative_to(here) if here and path.is_relative_to(here) else path


def working_directory():
    """Return the working directory, or None where it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def made_room(path):
    """Return the path of a file that a user asked for, its folder made if it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def inside(folder, name):
    """Return the path that a name read from a file means below a folder: a name, never a way out.

    Raises
    ------
    ValueError
        It is absolute, has ``..`` in it, or is no text.

    Examples
    --------
    >>> from firstlight.support.files import inside
    >>> inside("runs", "../../home")
    Traceback (most recent call last):
    ValueError: expected a name of something below runs, got '../../home'
    """
    flavours = (PurePosixPath, PureWindowsPath) if isinstance(name, str) and name else ()
    paths = [flavour(name) for flavour in flavours]
    if not paths or "\0" in name or any(p.anchor or p.drive or ".." in p.parts for p in paths):
        raise ValueError(f"expected a name of something below {folder}, got {name!r}")
    return Path(folder) / name


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
    >>> from firstlight.support.files import is_temporary
    >>> is_temporary(".last.safetensors.k3_9xq1z"), is_temporary(".tmpTcJXD0")
    (True, True)
    >>> is_temporary(".ipynb_checkpoints"), is_temporary(".notes")
    (False, False)
    """
    ours, safetensors = r"\..+\.(safetensors|jsonl?|csv|patch)\.\w{8}", r"\.tmp\w{6}"
    return re.fullmatch(f"{ours}|{safetensors}", Path(path).name) is not None


def write_json(path, value):
    """Write a value as readable JSON, atomically; what JSON does not know is written as text."""
    write_atomically(path, json.dumps(strict(value), indent=2, default=_known) + "\n")


def _known(value):
    """Return a NumPy number as a Python number, and what JSON does not know as text."""
    found = plain_number(value)
    return str(value) if found is value else found


def strict(value):
    """Return a value whose NaN and infinities are texts, as JSON has no numbers for them.

    Examples
    --------
    >>> from firstlight.support.files import strict
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


def _make_temporary(path):
    """Make an empty file beside a path, with the permissions that the user's new files have."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
            return temporary
        except FileExistsError:
            continue


def _sync(path, flags):
    """Wait until a file, or a folder's list of files, is on the disk, where the system can."""
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _sync_folder(path):
    """Make a rename last through a power cut, where the system can."""
    if os.name == "nt":
        return
    with suppress(PermissionError):  # a folder that may be written and not listed
        _sync(path, os.O_RDONLY)
