"""Writing checkpoints in the background: a step waits for the copy, not for the disk."""

import os
import sys
import threading
import warnings

from firstlight.owner import RunTakenOver


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the training goes on."""


class CheckpointWriter:
    """Write checkpoints one after the other in a thread.

    A newer checkpoint for a path takes the place of one that still waits, so the writer never
    falls behind by more than one for each path. A failure to write (disk full, no permission)
    is a loud warning, at the training's next opportunity; the file that was there stays.

    The thread has the lowest priority where the system knows priorities of threads, and so works
    while a core is idle.
    """

    def __init__(self):
        self._waiting = {}  # path -> (Checkpoint, path of the file to delete or None)
        self._problems = []
        self._changed = threading.Condition()
        self._thread, self._closing = None, False

    def write(self, path, checkpoint, replaces=None):
        """Have a checkpoint written, which nobody changes any more, and then a file deleted."""
        with self._changed:
            self._waiting.pop(path, None)
            self._waiting[path] = checkpoint, replaces
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(
                    target=self._work, name="firstlight-checkpoints", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        self.report()

    def close(self):
        """Wait until everything is written, and end the thread."""
        if self._thread is not None:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join()
            self._thread = None
        self.report()

    def report(self):
        """Warn about what could not be written since the last report."""
        while self._problems:
            warnings.warn(self._problems.pop(0), CheckpointWarning, stacklevel=2)

    def _work(self):
        if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                path = next(iter(self._waiting))
                checkpoint, replaces = self._waiting.pop(path)
            try:
                checkpoint.save(path)
                if replaces is not None:
                    replaces.unlink(missing_ok=True)
            except RunTakenOver:  # the loop notices, and says so
                pass
            except Exception as error:  # whatever it is, the training must go on
                kept = "the earlier one is kept" if path.is_file() else "there is no earlier one"
                self._problems.append(
                    f"checkpoint {str(path)!r} could not be written ({error}); {kept}, and the "
                    "training goes on"
                )
