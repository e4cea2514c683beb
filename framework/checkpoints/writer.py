"""Writing checkpoints in the background: a step waits for the copy, not for the disk."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

from firstlight.checkpoints.format import BEST, LAST, Checkpoint, root_of
from firstlight.runs.owner import RunTakenOver
from firstlight.support.files import check_guards


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the training goes on."""


class CheckpointWriter:
    """Write checkpoints one after the other in a thread.

    All that waits is taken and written as one group before anything newer, so that no file is
    put off forever. Within a group a file that a state names (`Checkpoint.files`) is written
    before the state, and files that no state names any more are deleted last: a killed process
    leaves no *last* that names a missing file. Only files of steps before *last* are deleted, as no
    resume writes those again: the deletion does no harm even in a process that was stopped just
    before it and continued after another one took the run over. A newer checkpoint for a path
    replaces one that still waits.

    A failure to write (disk full, no permission) is a warning, at the training's next
    opportunity; the file that was there stays, and the write is tried again with the next group
    and at the end.

    The thread has the lowest priority where the system knows priorities of threads, and so works
    while a core is idle.
    """

    def __init__(self) -> None:
        self._waiting = {}  # path -> Checkpoint
        self._failed = {}  # the same, of what is to be tried again
        self._named = {}  # path of a file that some state named -> step; to delete when none does
        self._pinned = {}  # path of a *last* -> (step, paths that it names)
        self._written = {}  # path -> (step, checksum) of the file there, None for none of ours
        self._problems = []
        self._changed = threading.Condition()
        self._thread, self._closing = None, False

    def write(self, requests: dict[Path, Checkpoint]) -> None:
        """Queue checkpoints, which must not change from now on.

        Parameters
        ----------
        requests : dict of pathlib.Path to Checkpoint
        """
        with self._changed:
            self._waiting |= requests
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(
                    target=self._work, name="firstlight-checkpoints", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        self.report()

    def note(self, path: Path, step: int, named: dict[Path, int]) -> None:
        """Register the files ``{path: step}`` that an existing state names."""
        self._named |= {other: of for other, of in named.items() if other.name != BEST}
        if path.name == LAST:
            _, before = self._pinned.get(path, (step, ()))
            self._pinned[path] = step, {*before, *named}

    def close(self) -> None:
        """Wait until everything is written, and end the thread."""
        if self._thread is not None:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join()
            self._thread = None
        self.report()

    def report(self) -> None:
        """Warn about what could not be written since the last report."""
        while self._problems:
            warnings.warn(self._problems.pop(0), CheckpointWarning, stacklevel=2)

    def _work(self):
        if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        ends = False
        while not ends:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                ends = not self._waiting  # the last round: what has failed once more
                group, self._waiting = self._failed | self._waiting, {}
            self._failed = {}
            if self._write_group(group) and group:
                newest = max(group.values(), key=lambda state: state.step)
                if newest.files:  # a copy of a state that was read does not say what it names
                    self._delete_unnamed(newest)

    def _write_group(self, group):
        """Write checkpoints, those that others name first; return whether all are written.

        Of these the oldest is first, as a state names only older files and its own.
        """
        named = {path for p, state in group.items() for path in named_by(p, state)}
        for path in sorted(group, key=lambda path: (path not in named, group[path].step)):
            checkpoint = group[path]
            files = {} if path in named else self._with_checksums(path, checkpoint.files)
            self._written[path] = None
            try:
                checksum = replace(checkpoint, files=files).save(path)
            except RunTakenOver:  # the loop notices, and says so
                self._failed = {}
                return False
            except Exception as error:  # whatever it is, the training must go on
                self._failed[path] = checkpoint
                kept = "the earlier one is kept" if path.is_file() else "there is no earlier one"
                self._problems.append(
                    f"checkpoint {str(path)!r} could not be written ({error}); {kept}, and the "
                    "training goes on"
                )
                continue
            self._written[path] = checkpoint.step, checksum
            self._pinned.pop(path, None)
            self.note(path, checkpoint.step, named_by(path, checkpoint))
        return not self._failed

    def _with_checksums(self, path, files):
        """Return the files that a state names with the checksums of those that are there."""
        found = {}
        for name, (step, _) in files.items():
            other = root_of(path) / name
            if other not in self._written:
                self._written[other] = Checkpoint.identity(other)
            there = self._written[other]
            found[name] = [step, there[1] if there is not None and there[0] == step else None]
        return found

    def _delete_unnamed(self, newest):
        """Delete the files of steps before *last* that neither it nor the newest state names."""
        kept = {root_of(path) / name for path in self._written for name in newest.files}
        kept = kept.union(*(named for _, named in self._pinned.values()))
        resumed = [step for path, (step, _) in self._pinned.items() if path.parent == root_of(path)]
        for path in self._named.keys() - kept:
            if self._named[path] >= min(resumed, default=newest.step):
                continue
            try:
                check_guards(path)
                path.unlink(missing_ok=True)
            except RunTakenOver:
                return
            except OSError as error:
                self._problems.append(f"{str(path)!r} is obsolete and cannot be deleted ({error})")
            del self._named[path]


def named_by(path: Path, checkpoint: Checkpoint) -> dict[Path, int]:
    """Return ``{path: step}`` of the files that a checkpoint at a path names."""
    return {root_of(path) / name: step for name, (step, _) in checkpoint.files.items()}
