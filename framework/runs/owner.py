"""Owner: the one process that fills a run's folder.

A process owns a folder while the file ``owner.N.json`` there, with the highest N, bears its token.
The file tells host, process and its start time, and gets a new time every five seconds: the
heartbeat. There is no lock that a dead process could leave, and nothing that NFS lacks.

============  ====================================================================================
free          no such file, or its process is dead: it is looked up by number and start time on
              its own machine; elsewhere it counts as dead after a minute without a heartbeat
to claim      make the file of the next number, which the file system lets one process do, and
              delete the older ones
to hold       before each file that is replaced, and with each heartbeat, look whether the own file
              is still there: a process that was stopped, or had lost its network, may have been
              replaced meanwhile. If it was stopped just after the look, the replacement fails, as
              the new owner deletes temporary files before it reads anything. Lines that it still
              appends go to files that the new owner has replaced, or are its own (TensorBoard)
to release    delete the own file
============  ====================================================================================
"""

import contextlib
import json
import os
import secrets
import sys
import threading
import time
from pathlib import Path

from firstlight.runs import claims
from firstlight.support.files import guards, write_exclusively

owned = {}  # folder -> Owner, of the runs that this process fills


class RunInUse(RuntimeError):
    """Another process fills the folder of this run."""


class RunTakenOver(RuntimeError):
    """Another process has taken over the run that this one has filled so far."""


class Owner:
    """The claim of this process on a run's folder; made by `claim`.

    Attributes
    ----------
    folder, path : pathlib.Path
        The run's folder, and the file in it that says who owns it.
    lost : bool
        Another process has taken over.
    gone : bool
        The folder, or the file, was deleted.
    """

    def __init__(self, folder, path, token):
        self.folder, self.path, self.token, self._pid = folder, path, token, os.getpid()
        self.lost = self.gone = False
        self._seen = time.monotonic()
        self._released = threading.Event()
        owned[folder] = self
        claims.tokens.add(token)
        guards[folder] = self.verify
        threading.Thread(target=self._beat, name="firstlight-heartbeat", daemon=True).start()

    @property
    def inherited(self):
        """Whether this is a forked child, whose parent owns the folder."""
        return os.getpid() != self._pid

    def check(self):
        """Raise `RunTakenOver` if this is known; looked up only after the process was stopped."""
        if self.lost or time.monotonic() - self._seen > 2 * claims.HEARTBEAT:
            self.verify()

    def verify(self):
        """Look up whether the folder is still owned by this process.

        Raises
        ------
        RunTakenOver
            It is not; the message names the new owner.
        """
        if self._released.is_set() and not self.lost:
            return
        self._seen = time.monotonic()
        try:
            if claims.read(self.path).token in (self.token, None):  # None: not readable just now
                return
        except FileNotFoundError:
            pass
        except OSError:  # a network that fails for a moment
            return
        others = claims.claims(self.folder)
        self.lost = bool(others) or self._last_filled_by_another()
        self.gone = not self.lost
        if self.lost:
            who = others[-1] if others else "another process, which has ended since"
            raise RunTakenOver(
                f"run {self.folder} was taken over by {who}; this training has stopped and writes "
                "nothing more there"
            )

    def _last_filled_by_another(self):
        """Return whether ``summary.json`` bears the token of a later owner, which has released."""
        try:
            summary = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
            return summary["owner"] != self.token
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def release(self):
        """Let other processes have the folder; one that was taken over stays closed to this one."""
        self._released.set()
        owned.pop(self.folder, None)
        claims.tokens.discard(self.token)
        if not (self.lost or self.inherited):
            guards.pop(self.folder, None)
            with contextlib.suppress(OSError):
                self.path.unlink()

    def restore(self):
        """Make the folder and the file again after they were deleted.

        Raises
        ------
        OSError
            They cannot be made.
        RunTakenOver
            Another process has claimed the folder meanwhile.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        made = write_exclusively(self.path, claims.content(self.folder, self.token))
        if made and any(one.token != self.token for one in claims.claims(self.folder)):
            self.path.unlink(missing_ok=True)
        self.gone = False
        self.verify()

    def _beat(self):
        while not self._released.wait(claims.HEARTBEAT):
            with contextlib.suppress(RunTakenOver, OSError):
                self.verify()
                os.utime(self.path)
            if self.lost:
                return


def claim(folder, *, take_over=False):
    """Return the `Owner` that makes this process the one to fill a run's folder.

    Parameters
    ----------
    folder : path-like
    take_over : bool
        Replace an owner that is alive; it notices and stops.

    Raises
    ------
    RunInUse
        Another process fills it, or was faster.
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
    if not write_exclusively(path, claims.content(folder, token)):
        faster = claims.claims(folder)
        raise refusal(folder, faster[-1] if faster else "another process")
    others = [other for other in claims.claims(folder) if other.number != number]
    known = {(other.number, other.token) for other in before}
    for other in others:  # whoever came between wins
        if (other.number, other.token) not in known:
            path.unlink(missing_ok=True)
            raise refusal(folder, other)
    owner = Owner(folder, path, token)
    for other in others:
        (folder / f"owner.{other.number}.json").unlink(missing_ok=True)
    return owner


def _await_death(other, folder):
    """Return if an owner is dead, or as soon as that is certain; else raise `RunInUse`."""
    alive = other.alive(folder)
    if alive is False:
        return
    if alive:
        raise refusal(folder, other)
    age = claims.file_system_time(folder) - other.heard
    patience = claims.HEARTBEATS_MISSED * claims.HEARTBEAT - max(0.0, age)
    if patience > claims.HEARTBEAT:
        print(
            f"run {folder} was filled by {other} {max(0, age):.0f} s ago; waiting up to "
            f"{patience:.0f} s for a sign of life",
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


def refusal(folder, who):
    """Return the error that says who fills a run, and how to take it over."""
    return RunInUse(
        f"run {folder} is being filled by {who}; wait until that ends or stop it, or have this "
        f"training take the run over, so that the other one stops: resume={str(folder)!r} "
        f"(--resume {folder})"
    )
