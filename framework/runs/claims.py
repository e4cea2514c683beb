"""Claims: read the files ``owner.N.json`` of a run's folder; see `firstlight.runs.owner`."""

import contextlib
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firstlight.runs import processes
from firstlight.support.files import PathLike

HEARTBEAT = 5.0  # seconds
HEARTBEATS_MISSED = 12  # after these an owner on another machine counts as dead
NAME = re.compile(r"owner\.([0-9]{1,9})\.json")
tokens: set[str] = set()  # tokens of this process's own claims


@dataclass(frozen=True)
class Claim:
    """The content of a file ``owner.N.json``.

    Attributes
    ----------
    number : int
    heard : float
        Time of the last heartbeat, by the clock of the file system.
    token : str or None
        None if the content cannot be read because it is being written.
    content : dict
    """

    number: int
    heard: float
    token: str | None
    content: dict[str, Any]

    def alive(self, folder: PathLike) -> bool | None:
        """Return whether the process exists; None if this machine cannot tell."""
        pid, started = self.content.get("pid"), self.content.get("process_started")
        here = self.content.get("machine") == processes.machine()
        if not here or self.content.get("folder") != inode(folder):  # a copy names the original's
            return None
        if pid == os.getpid():
            return self.token in tokens
        if not processes.alive(pid, started):
            return False
        return None if started is None else True

    def __str__(self) -> str:
        content = self.content
        if not content:
            return "another process"
        here = content.get("machine") == processes.machine()
        where = "this machine" if here else f"host {content.get('hostname')}"
        stopped = " (stopped)" if here and processes.stopped(content.get("pid")) else ""
        return f"process {content.get('pid')}{stopped} on {where}, since {content.get('since')}"


def claims(folder: PathLike) -> list[Claim]:
    """Return the claims on a folder, the newest last."""
    try:
        names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    except OSError:
        return []
    found = []
    for name in names:
        with contextlib.suppress(OSError):  # released meanwhile
            found.append(read(Path(folder) / name))
    return sorted(found, key=lambda claim: claim.number)


def is_silent(seconds: float) -> bool:
    """Return whether an owner counts as dead, this many seconds after its last heartbeat.

    Clocks of two machines may differ, so that the number can be negative.
    """
    return abs(seconds) > HEARTBEATS_MISSED * HEARTBEAT


def is_occupied(folder: PathLike) -> bool | None:
    """Return whether a process owns a run's folder; None if there is no claim."""
    found = claims(folder)
    if not found:
        return None
    alive = found[-1].alive(folder)
    return not is_silent(time.time() - found[-1].heard) if alive is None else alive


def read(path: Path) -> Claim:
    """Return the `Claim` in a file; it is opened because NFS may answer `stat` from its cache."""
    with open(path, encoding="utf-8", errors="replace") as file:
        heard, text = os.fstat(file.fileno()).st_mtime, file.read(10_000)
    try:
        content = {
            name: value
            for name, value in json.loads(text).items()
            if isinstance(value, int) or (isinstance(value, str) and value.isprintable())
        }
        token = content["token"]
    except (ValueError, KeyError, AttributeError):
        content, token = {}, None
    return Claim(int(NAME.fullmatch(path.name)[1]), heard, token, content)


def claim_text(folder: PathLike, token: str) -> str:
    """Return the text of the file that claims a folder for this process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"token": token, **processes.identity(), "folder": inode(folder), "since": since}
    return json.dumps(content, indent=2) + "\n"


def file_system_time(folder: PathLike) -> float:
    """Return the time of the clock that stamps a folder's files; on NFS it is the server's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def inode(folder: PathLike) -> int | None:
    """Return the inode of a folder, which differs from that of a copy; None if it is missing."""
    try:
        return os.stat(folder).st_ino
    except OSError:
        return None
