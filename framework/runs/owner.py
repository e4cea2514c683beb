"""Owner: the one process that may write to a run's folder.

A process owns a folder while the file ``owner.N.json`` with the highest N contains its token.
The file holds host, process id and start time, and is touched every five seconds (heartbeat). A
dead process leaves no lock behind. The protocol works on NFS.

============  ====================================================================================
free          there is no such file, or its process is dead. A process on the same machine is looked
              up by id and start time. A process on another machine counts as dead after a minute
              without a heartbeat
claim         create the file with the next number, which succeeds in one process only, and delete
              the older files
hold          check that the own file still exists, before each file is replaced and at each
              heartbeat: another process may have taken over while this one was suspended or had no
              network. If this process is suspended just after the check, its replacement fails, as
              the new owner deletes temporary files before it reads. Lines that it still appends
              go to files that the new owner has replaced, or to its own (TensorBoard)
release       delete the own file
============  ====================================================================================
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from firstlight.runs import claims
from firstlight.runs.run_files import read_dict
from firstlight.support.files import PathLike, guards, write_exclusively

owned: dict[Path, Owner] = {}  # the claims of this process, by folder


class RunInUse(RuntimeError):
    """Another process owns the folder of this run."""


class RunTakenOver(RuntimeError):
    """Another process has taken over this process's run."""


@dataclass(eq=False)
class Owner:
    """The claim of this process on a run's folder; made by `claim`.

    Attributes
    ----------
    folder, path : pathlib.Path
        The run's folder, and its file ``owner.N.json``.
    token : str
        Token that the file must contain.
    lost : bool
        Another process has taken over.
    gone : bool
        The folder, or the file, was deleted.
    """

    folder: Path
    path: Path
    token: str
    lost: bool = False
    gone: bool = False

    def __post_init__(self) -> None:
        """Register the claim in this process, and start its heartbeat."""
        self._pid, self._seen = os.getpid(), time.monotonic()
        self._released, self._restorations = threading.Event(), 0
        owned[self.folder] = self
        claims.tokens.add(self.token)
        guards[self.folder] = self.verify
        threading.Thread(target=self._beat, name="firstlight-heartbeat", daemon=True).start()

    @property
    def inherited(self) -> bool:
        """Whether this process is a forked child of the owner."""
        return os.getpid() != self._pid

    def check(self) -> None:
        """Raise `RunTakenOver` if another process is known to have taken over.

        The disk is read only if the process seems to have been suspended.
        """
        if self.lost or time.monotonic() - self._seen > 2 * claims.HEARTBEAT:
            self.verify()

    def verify(self) -> None:
        """Check on the disk that this process still owns the folder.

        Raises
        ------
        RunTakenOver
            Another process owns it; the message names the new owner.
        """
        if self._released.is_set() and not self.lost:
            return
        self._seen, restorations = time.monotonic(), self._restorations
        try:
            if claims.read(self.path).token in (self.token, None):  # None: not readable just now
                return
        except FileNotFoundError:
            pass
        except OSError:  # e.g. a short network failure
            return
        others = claims.claims(self.folder)
        # A later owner may have released the folder again: the summary has its token.
        last = read_dict(self.folder / "summary.json").get("owner", self.token)
        if restorations != self._restorations:  # another thread has just made the file again
            return
        self.lost = bool(others) or last != self.token
        self.gone = not self.lost
        if self.lost:
            who = others[-1] if others else "another process, which has ended since"
            raise RunTakenOver(
                f"run {self.folder} was taken over by {who}; this training has stopped and writes "
                "nothing more there"
            )

    def release(self) -> None:
        """Release the folder; if it was taken over, this process still may not write to it."""
        self._released.set()
        owned.pop(self.folder, None)
        claims.tokens.discard(self.token)
        if not (self.lost or self.inherited):
            guards.pop(self.folder, None)
            with contextlib.suppress(OSError):
                self.path.unlink()

    def restore(self) -> None:
        """Create the folder and the file again after they were deleted.

        Raises
        ------
        OSError
            They cannot be created.
        RunTakenOver
            Another process has claimed the folder meanwhile.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        made = write_exclusively(self.path, claims.claim_text(self.folder, self.token))
        if made and any(one.token != self.token for one in claims.claims(self.folder)):
            self.path.unlink(missing_ok=True)
        self._restorations += 1
        self.gone = False
        self.verify()

    def _beat(self):
        while not self._released.wait(claims.HEARTBEAT):
            with contextlib.suppress(RunTakenOver, OSError):
                self.verify()
                os.utime(self.path)
            if self.lost:
                return


def claim(folder: PathLike, *, take_over: bool = False) -> Owner:
    """Make this process the owner of a run's folder, and return the `Owner`.

    Parameters
    ----------
    folder : path-like
    take_over : bool
        Replace a living owner, which detects this and stops.

    Raises
    ------
    RunInUse
        Another process owns the folder, or claimed it first.
    OSError
        The folder cannot be written.
    """
    folder = Path(folder).absolute()
    token = secrets.token_hex(8)
    before = claims.claims(folder)
    if not take_over:
        for other in before:
            _await_death(other, folder)
    number = 1 + max((other.number for other in before), default=0)
    path = folder / f"owner.{number}.json"
    if not write_exclusively(path, claims.claim_text(folder, token)):
        faster = claims.claims(folder)
        raise refusal(folder, faster[-1] if faster else "another process")
    others = [other for other in claims.claims(folder) if other.number != number]
    known = {(other.number, other.token) for other in before}
    for other in others:  # a claim made in between wins
        if (other.number, other.token) not in known:
            path.unlink(missing_ok=True)
            raise refusal(folder, other)
    owner = Owner(folder, path, token)
    for other in others:
        (folder / f"owner.{other.number}.json").unlink(missing_ok=True)
    return owner


def _await_death(other, folder):
    """Return once an owner is certainly dead; raise `RunInUse` if it is alive."""
    alive = other.alive(folder)
    if alive is False:
        return
    if alive:
        raise refusal(folder, other)
    age = claims.file_system_time(folder) - other.heard
    patience = claims.HEARTBEATS_MISSED * claims.HEARTBEAT - max(0.0, age)
    if patience > claims.HEARTBEAT:
        print(
            f"run {folder} was written by {other} {max(0, age):.0f} s ago; waiting up to "
            f"{patience:.0f} s for its heartbeat",
            file=sys.stderr,
            flush=True,
        )
    end, path = time.monotonic() + patience, folder / f"owner.{other.number}.json"
    while time.monotonic() < end:
        time.sleep(min(claims.HEARTBEAT / 5, 1.0))
        try:
            now = claims.read(path)
        except FileNotFoundError:
            return
        except OSError:
            continue
        if (now.heard, now.token) != (other.heard, other.token):
            raise refusal(folder, now)


def refusal(folder: PathLike, who: claims.Claim | str) -> RunInUse:
    """Return the error that names the owner of a run and says how to take it over."""
    return RunInUse(
        f"run {folder} is being written by {who}; wait until that ends or stop it, or take the run "
        f"over with this training, so that the other one stops: resume={str(folder)!r} "
        f"(--resume {folder})"
    )
