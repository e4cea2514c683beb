"""Tracker: the base class of callbacks that show runs in an experiment tracker."""

import time
import warnings
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from firstlight import plugins
from firstlight.callback import Callback
from firstlight.callbacks._shared import tracked_run
from firstlight.callbacks._shared.sender import BATCH, Record, Sender
from firstlight.callbacks._shared.tracked_run import Point, Sent, points_of, read_sent, write_sent
from firstlight.hookspecs import hookimpl
from firstlight.module import Module
from firstlight.runs.folder import RunFolder
from firstlight.runs.run import Run
from firstlight.support.arguments import parse_duration
from firstlight.trainer import Trainer

KEPT = 3.0  # seconds after which a library has kept what it was passed, even if it is killed


class Tracker(Callback):
    """Show runs in an experiment tracker, while they train or afterwards.

    The run's folder stays complete: a tracker is a view of it. A subclass implements `open`,
    `write` and `close`, which are called in this order, in a thread of their own. The training
    queues its records and never waits: if the tracker fails, hangs or is too slow, a warning says
    so once. At the end the training waits for the tracker up to ``timeout`` seconds, then a
    warning gives the number of records that were not sent.

    ``trackers.json`` in the run's folder has the tracker's id of the run and the number of records
    that it has. A resumed training continues the same run in the tracker: it sends the records that
    a killed process has not sent, and those of its last seconds again, as the tracker's library may
    have lost them. A test of the trained module adds its metrics. Without a run (``runs_dir=None``)
    nothing is sent.

    Parameters
    ----------
    project : str
        Project or experiment of the tracker in which the runs are listed.
    timeout : float
        Seconds to wait for the tracker at the end of a training.

    Examples
    --------
    >>> import firstlight as fl
    >>> class Printer(fl.callbacks.Tracker):
    ...     def open(self, run, id):
    ...         print("run", run.name, self.settings(run)["seed"])
    ...         return id or run.id
    ...
    ...     def write(self, points):
    ...         print([point.step for point in points])
    ...
    ...     def close(self, status):
    ...         print(status)
    """

    rank_zero_only = True
    watcher = True

    def __init__(self, project: str = "firstlight", timeout: float = 30.0) -> None:
        self.project = project
        self.timeout: float = parse_duration(f"{type(self).__name__}: timeout", timeout)
        self._sender: Sender | None = None  # of the open run
        self._stuck: Sender | None = None  # of an earlier run, which may still hang
        self._count = self._known = 0  # records of the training: logged, in the tracker at start
        self._shown: Path | None = None  # the run's folder for messages
        self._warned = False

    # --- for subclasses ----------------------------------------------------------------------

    def open(self, run: RunFolder, id: str | None) -> str:
        """Create the run in the tracker, or open it again, and return the tracker's id of it.

        Parameters
        ----------
        run : RunFolder
            See `title`, `settings`, `tags` and `started`; ``run.label`` is its whole name.
        id : str or None
            The id if the run exists: it was resumed, or is tested.
        """
        raise NotImplementedError(f"{type(self).__name__}.open(run, id) is missing")

    def write(self, points: list[Point]) -> None:
        """Send values to the open run; the last point of a run has its best values too."""
        raise NotImplementedError(f"{type(self).__name__}.write(points) is missing")

    def close(self, status: str) -> None:
        """Close the open run, which is "finished", "interrupted", "failed" or "crashed"."""
        raise NotImplementedError(f"{type(self).__name__}.close(status) is missing")

    @staticmethod
    def title(run: RunFolder) -> str:
        """Return a name of a run for narrow lists, a RUN of the commands: ``digits/0002_1efd``."""
        return tracked_run.title(run)

    @staticmethod
    def settings(run: RunFolder) -> dict[str, bool | int | float | str]:
        """Return the settings of a run by dotted name; lists as ``512,256``, long texts cut."""
        return tracked_run.plain_settings(run)

    @staticmethod
    def tags(run: RunFolder) -> list[str]:
        """Return the tags of a run; "resumed" is one of them if its training was resumed."""
        return [*run.tags, *["resumed"] * bool(run.summary.get("resumed"))]

    @staticmethod
    def started(run: RunFolder) -> float:
        """Return when a run started, in Unix seconds."""
        return tracked_run.started(run)

    # --- runs that have ended ------------------------------------------------------------------

    def export(self, run: RunFolder, *, again: bool = False) -> str | None:
        """Send a run that has ended, and return the tracker's id of it.

        Parameters
        ----------
        run : RunFolder
        again : bool
            Send a run that the tracker already has, as a new one.

        Returns
        -------
        str or None
            None if the tracker has the run.
        """
        if self.id_of(run.path) and not again:
            return None
        id, points = str(self.open(run, None)), points_of(run, run.history.records)
        for first in range(0, len(points), BATCH):
            self.write(points[first : first + BATCH])
        self._close(run, run.status)
        write_sent(run.path, self._name, Sent(id, len(points), closed=True))
        return id

    def id_of(self, path: Path) -> str | None:
        """Return the tracker's id of the run in a folder; None if it has none."""
        return read_sent(path, self._name).id

    def _close(self, run, status):
        if (last := tracked_run.last_point(run)).values:
            self.write([last])
        self.close(status)

    @property
    def _name(self):
        """The name for the command line: that of a plugin, or the class's import path."""
        kind = type(self)
        return plugins.registry("callback").name_of(kind) or f"{kind.__module__}:{kind.__name__}"

    # --- a training ----------------------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the run, and queue the records that an earlier process has not sent."""
        self._finish(trainer)  # of an earlier training whose test did not follow
        if trainer.run is None:
            return
        records = trainer.history.records
        sent, self._count = read_sent(trainer.run.path, self._name), len(records)
        if sent.closed:  # it did not end in between: records after the checkpoint are new ones
            sent = sent._replace(passed=min(sent.passed, self._count))
        self._known = sent.passed
        self._start(trainer.run, sent)
        for number in range(sent.passed, self._count):
            self._put(records[number], number + 1)

    def on_log(self, record: Record) -> None:
        """Queue a record."""
        self._count += 1
        if self._count > self._known:  # else the process that was killed has sent this record
            self._put(record, self._count)

    def on_test_end(self, trainer: Trainer, module: Module, metrics: Mapping[str, float]) -> None:
        """Queue the metrics of a test of the trained module."""
        if trainer.run is None or trainer.loop is None or trainer.loop.module is not module:
            return
        if self._sender is None and (sent := read_sent(trainer.run.path, self._name)).id:
            self._start(trainer.run, sent)
        self._put(trainer.progress.place() | metrics)

    @hookimpl(trylast=True)
    def teardown(self, trainer: Trainer, stage: str) -> None:
        """Close the run after a training, or after the test that belongs to it."""
        test_follows = trainer.status == "finished" and trainer.next_stage is not None
        tested = stage == "test" and trainer.status != "running"  # not by a callback meanwhile
        if tested or (stage == "fit" and not test_follows):
            self._finish(trainer)

    def _start(self, run: Run, sent: Sent) -> None:
        """Start the thread, which opens the run first."""
        path, self._shown = run.path, run.shown
        self._warned = False
        if self._stuck is not None and self._stuck.alive:
            self._warn(f"it still hangs in an earlier run; {self._shown} is not sent to it")
            return
        opened, id, waiting = None, None, deque()  # of time and number of records

        def open_run() -> None:
            nonlocal opened, id
            opened = RunFolder(path)
            id = str(self.open(opened, sent.id))
            write_sent(path, self._name, Sent(id, sent.passed))

        def write(records: list[Record], passed: int) -> None:
            self.write(points_of(opened, records))
            waiting.append((time.monotonic(), passed))
            kept = None
            while waiting and waiting[0][0] <= time.monotonic() - KEPT:
                kept = waiting.popleft()[1]
            if kept is not None:
                with suppress(OSError):  # the disk may be full, but the tracker has them
                    write_sent(path, self._name, Sent(id, kept))

        def close(status: str) -> None:
            run = RunFolder(path)  # read again, as it has ended
            self._close(run, status if run.status == "running" else run.status)
            write_sent(path, self._name, Sent(id, sender.passed, closed=True))

        self._sender = sender = Sender(open_run, write, close, sent.passed)

    def _put(self, record: Record, number: int = 0) -> None:
        if self._sender is None:
            return
        self._sender.put(record, number)
        if self._sender.problem and not self._warned:
            self._warned = True
            self._warn(f"{self._sender.problem}; the training continues")

    def _finish(self, trainer: Trainer) -> None:
        """Wait for the thread up to ``timeout`` seconds, and warn of what was not sent."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        sender.finish(self.timeout, trainer.status)
        self._stuck = sender
        if sender.problem:
            command = f"firstlight runs export {self._shown} --to {self._name} --again"
            self._warn(
                f"{sender.problem}; {sender.unsent:,} records of {self._shown} were not sent; the "
                f"run has all of them: {command}"
            )

    def _warn(self, what: str) -> None:
        warnings.warn(f"{type(self).__name__}: {what}", stacklevel=3)
