"""Claims: what the files ``owner.N.json`` of a run's folder tell; see `firstlight.runs.owner`."""

import contextlib
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firstlight.runs import processes

HEARTBEAT = 5.0  # seconds between two signs of life
HEARTBEATS_MISSED = 12  # after which an owner on another machine counts as dead
NAME = re.compile(r"owner\.([0-9]{1,9})\.json")
tokens = set()  # of the claims that this process holds


@dataclass(frozen=True)
class Claim:
    """What a file ``owner.N.json`` tells.

    Attributes
    ----------
    number : int
    heard : float
        Time of the last heartbeat, by the clock of the file system.
    token : str or None
        None where the content cannot be read: it is about to be written.
    told : dict
        All of the content.
    """

    number: int
    heard: float
    token: str | None
    told: dict

    def alive(self, folder):
        """Return whether the process exists, or None where that is not to be seen from here."""
        pid, started = self.told.get("pid"), self.told.get("process_started")
        here = self.told.get("machine") == processes.machine()
        if not here or self.told.get("folder") != inode(folder):  # a copy tells of its original
            return None
        if pid == os.getpid():
            return self.token in tokens
        if not processes.alive(pid, started):
            return False
        return None if started is None else True

    def __str__(self):
        told = self.told
        if not told:
            return "another process"
        here = told.get("machine") == processes.machine()
        where = "this machine" if here else f"host {told.get('hostname')}"
        stopped = " (stopped)" if here and processes.stopped(told.get("pid")) else ""
        return f"process {told.get('pid')}{stopped} on {where}, since {told.get('since')}"


def claims(folder):
    """Return the `Claim` of each owner's file in a folder, the newest last."""
    try:
        names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    except OSError:
        return []
    found = []
    for name in names:
        with contextlib.suppress(OSError):  # released meanwhile
            found.append(read(Path(folder) / name))
    return sorted(found, key=lambda claim: claim.number)


def silent(seconds):
    """Return whether an owner that was last heard of so long ago counts as dead.

    A time in the future is of a clock that was ahead.
    """
    return abs(seconds) > HEARTBEATS_MISSED * HEARTBEAT


def occupied(folder):
    """Return whether a process fills a run's folder; None where it has no owner's file."""
    found = claims(folder)
    if not found:
        return None
    alive = found[-1].alive(folder)
    return not silent(time.time() - found[-1].heard) if alive is None else alive


def read(path):
    """Return the `Claim` in a file; opening it has NFS ask the server, `stat` alone may not."""
    with open(path, encoding="utf-8", errors="replace") as file:
        heard, text = os.fstat(file.fileno()).st_mtime, file.read(10_000)
    try:
        told = {name: value for name, value in json.loads(text).items() if _plain(value)}
        token = told["token"]
    except (ValueError, KeyError, AttributeError):
        told, token = {}, None
    return Claim(int(NAME.fullmatch(path.name)[1]), heard, token, told)


def content(folder, token):
    """Return the text of an owner's file, for a claim of this process."""
    told = {
        "token": token,
        **processes.identity(),
        "folder": inode(folder),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(told, indent=2) + "\n"


def _plain(value):
    return isinstance(value, int) or (isinstance(value, str) and value.isprintable())


def file_system_time(folder):
    """Return the time by the clock that stamps a folder's files: on NFS, the server's."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def inode(folder):
    """Return the number of a folder, which tells it from its copies; None where it has none."""
    try:
        return os.stat(folder).st_ino
    except OSError:
        return None
