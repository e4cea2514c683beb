"""Write files atomically, and keep writes inside the folder they belong to."""

import errno
import json
import math
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias

from firstlight.support.arguments import plain_number

PathLike: TypeAlias = str | os.PathLike[str]

# Errors of file systems that do not support an operation, such as to sync a folder.
UNSUPPORTED = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EACCES}
# Windows refuses to replace a file that another process reads at this moment, such as a viewer of
# runs or a virus scanner. Seconds to wait before each further attempt:
RETRIES = (0.01, 0.05, 0.2, 0.5, 1.0) if sys.platform == "win32" else ()
guards: dict[Path, Callable[[], None]] = {}  # by folder; raises if another process owns it now


def write_atomically(path: PathLike, content: bytes | str) -> None:
    """Replace a file atomically: a reader finds either the old or the new content.

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
        try:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            error.filename = error.filename or str(path)  # a full disk's error names no file
            raise


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces ``path`` at the end.

    It is in the same folder, is flushed to the disk and then renamed to the path. After a failure
    the old file is unchanged and the temporary one is deleted.

    Raises
    ------
    OSError
        As the system reports it: no space, no permission.
    RunTakenOver
        The path is in the folder of a run that another process has taken over.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "expected the name of a file, got a folder", str(path)
        )
    temporary = _make_temporary(path)
    mode = temporary.stat().st_mode
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        if temporary.stat().st_mode != mode:  # safetensors sets 0600
            os.chmod(temporary, mode)
        check_guards(path)
        try:
            _replace(temporary, path)
        except FileNotFoundError:  # deleted by a new owner while this process was stopped
            check_guards(path)
            raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_exclusively(path: PathLike, content: str) -> bool:
    """Create a file with content, and return whether this call created it.

    If several processes call it, also on other machines and NFS, exactly one succeeds. On a file
    system without hard links a reader may find the file while it is still empty.

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
        except FileExistsError:  # maybe created by this call, if NFS lost the reply
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


def check_guards(path: PathLike) -> None:
    """Call the guards of all folders above a path; see `guards`."""
    if guards:
        for folder in Path(path).absolute().parents:
            if folder in guards:
                guards[folder]()


def no_link(path: str, flags: int) -> int:
    """Open a file unless it is a link; an ``opener`` for `open`.

    In a run from another user, a file that a training appends to may be a link.
    """
    if os.path.islink(path) and (os.path.isfile(path) or not os.path.exists(path)):
        raise OSError(f"{path} is a link to {os.readlink(path)}; remove it")
    return os.open(path, flags, 0o666)


def refuse_link(path: PathLike) -> None:
    """Raise an OSError if a folder in a run's folder is a link, which may lead out of it."""
    if os.path.islink(path):
        raise OSError(f"{path} is a link to {os.readlink(path)}; put the folder itself there")


def from_here(path: Path) -> Path:
    """Return an absolute path relative to the working directory if it is below, for messages."""
    here = working_directory()
    return path.relative_to(here) if here and path.is_relative_to(here) else path


def working_directory() -> Path | None:
    """Return the working directory, or None if it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def made_room(path: PathLike) -> Path:
    """Create the folder of a file that a user requested, and return the file's path.

    Raises
    ------
    OSError
        A folder of the path is a file, or as the system reports it.
    """
    path = Path(path)
    for parent in path.parents:
        if parent.is_file():
            told = f"{parent} is a file, so it cannot be a folder for it; choose another path"
            raise NotADirectoryError(errno.ENOTDIR, told, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def inside(folder: PathLike, name: Any) -> Path:
    """Return the path below a folder of a name that was read from a file.

    Raises
    ------
    ValueError
        The name is absolute, contains ``..``, or is not a text.

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
def forgiving(what: PathLike) -> Iterator[list[OSError]]:
    """Turn an OSError into a warning that ``what`` cannot be written.

    Yields a list; the error is appended to it.
    """
    problems = []
    try:
        yield problems
    except OSError as error:
        problems.append(error)
        warnings.warn(f"{what} cannot be written ({error}) and is left out", stacklevel=3)


def is_temporary(path: PathLike) -> bool:
    """Return whether a file is named like a temporary file of `replacing` or safetensors.

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


def write_json(path: PathLike, value: Any) -> None:
    """Write a value as indented JSON, atomically; values without a JSON type become texts."""
    write_atomically(path, json.dumps(strict(value), indent=2, default=_known) + "\n")


def as_json(value: Any) -> Any:
    """Return a copy of a value as `write_json` writes it.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> from firstlight.support.files import as_json
    >>> as_json({"out": PurePosixPath("runs/a"), "hidden": (8, 4)})
    {'out': 'runs/a', 'hidden': [8, 4]}
    """
    return json.loads(json.dumps(strict(value), default=_known))


def _known(value):
    """Return a NumPy number as a Python number, other values as text."""
    found = plain_number(value)
    return str(value) if found is value else found


def strict(value: Any) -> Any:
    """Return a value with NaN and infinities as texts, because JSON has no such numbers.

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
    """Create an empty file beside a path, with the permissions of the user's new files."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
            return temporary
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = str(path)  # the name that the user knows
            raise


def _replace(temporary, path):
    for seconds in RETRIES:
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(seconds)
    return os.replace(temporary, path)


def _sync(path, flags):
    """Flush a file, or a folder's entries, to the disk, if the file system supports it."""
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _sync_folder(path):
    """Flush a rename to the disk, if the file system supports it."""
    if os.name == "nt":
        return
    with suppress(PermissionError):  # the folder may be writable but not readable
        _sync(path, os.O_RDONLY)
