"""Write checkpoints in a background thread: a step waits for the copy, not for the disk."""

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
    """A checkpoint could not be written; the training continues."""


class CheckpointWriter:
    """Write checkpoints one after the other in a thread.

    The waiting checkpoints are taken as one group and written before any newer ones, so that no
    file starves. A newer checkpoint for a path replaces a waiting one.

    Within a group, files that a state refers to (`Checkpoint.files`) are written before the state,
    and files without references are deleted last. A killed process thus leaves no *last* that
    refers to a missing file. Only files of steps before *last* are deleted, as no resume writes
    those again. The deletion is therefore safe even if the process was suspended before it and
    another process took the run over.

    A failed write (disk full, no permission) causes a warning at the next call. The old file stays,
    and the write is repeated with the next group and at the end.

    On Linux the thread has the lowest priority, so that it runs while a core is idle.
    """

    def __init__(self) -> None:
        self._waiting = {}  # path -> Checkpoint
        self._failed = {}  # path -> Checkpoint, to be written again
        self._named = {}  # path of a file that a state referred to -> step; deleted when unused
        self._pinned = {}  # path of a *last* -> (step, paths that it refers to)
        self._written = {}  # path -> (step, checksum) of the file, None if it is not a checkpoint
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
        """Register the files ``{path: step}`` that an existing state refers to."""
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
        """Warn about all failed writes since the last report."""
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
                ends = not self._waiting  # the last round repeats the failed writes
                group, self._waiting = self._failed | self._waiting, {}
            self._failed = {}
            if self._write_group(group) and group:
                newest = max(group.values(), key=lambda state: state.step)
                if newest.files:  # empty in a copy of a state that was read
                    self._delete_unnamed(newest)

    def _write_group(self, group):
        """Write checkpoints, those that others refer to first; return whether all are written.

        They are written in order of their steps, as a state refers only to itself and older files.
        """
        named = {path for p, state in group.items() for path in named_by(p, state)}
        for path in sorted(group, key=lambda path: (path not in named, group[path].step)):
            checkpoint = group[path]
            files = {} if path in named else self._with_checksums(path, checkpoint.files)
            self._written[path] = None
            try:
                checksum = replace(checkpoint, files=files).save(path)
            except RunTakenOver:  # the loop raises it too
                self._failed = {}
                return False
            except Exception as error:  # no failed write may end the training
                self._failed[path] = checkpoint
                kept = "the earlier one is kept" if path.is_file() else "there is no earlier one"
                self._problems.append(
                    f"checkpoint {str(path)!r} could not be written ({error}); {kept}, and the "
                    "training continues"
                )
                continue
            self._written[path] = checkpoint.step, checksum
            self._pinned.pop(path, None)
            self.note(path, checkpoint.step, named_by(path, checkpoint))
        return not self._failed

    def _with_checksums(self, path, files):
        """Return the files that a state refers to, with the checksums of the existing ones."""
        found = {}
        for name, (step, _) in files.items():
            other = root_of(path) / name
            if other not in self._written:
                self._written[other] = Checkpoint.identity(other)
            identity = self._written[other]
            is_same = identity is not None and identity[0] == step
            found[name] = [step, identity[1] if is_same else None]
        return found

    def _delete_unnamed(self, newest):
        """Delete files of steps before *last* to which neither it nor the newest state refers."""
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
    """Return ``{path: step}`` of the files that a checkpoint at a path refers to."""
    return {root_of(path) / name: step for name, (step, _) in checkpoint.files.items()}
