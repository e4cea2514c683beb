"""Sender: pass records to a tracker in a thread of its own, so that a training never waits."""

import threading
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import Any

QUEUED = 10_000  # records; one of ten values takes about 1 kB
BATCH = 200  # records passed on at once
PAUSE = 0.2  # seconds in which records gather: many libraries write ten as fast as one

Record = Mapping[str, float]


class Sender:
    """A thread that opens a tracker, writes the records of a queue, and closes the tracker.

    A record that finds the queue full, or whose writing fails, is not sent.

    Parameters
    ----------
    opening : callable
        Called first, without arguments; if it fails, nothing else is called.
    write : callable
        Called with a list of 1 to `BATCH` records, and the number of the last one.
    close : callable
        Called last, with the arguments of `finish`.
    passed : int
        Records of the training that were passed to the tracker by an earlier process.

    Attributes
    ----------
    passed : int
        Records of the training that were passed to the tracker, whether it took them or not.
    problem : str
        The first failure; empty without one.
    """

    def __init__(
        self,
        opening: Callable[[], None],
        write: Callable[[list[Record], int], None],
        close: Callable[..., None],
        passed: int = 0,
    ) -> None:
        self.passed: int = passed
        self.problem: str = ""
        self._calls = opening, write, close
        self._asked = self._written = 0
        self._queue: SimpleQueue[tuple[int, Record] | None] = SimpleQueue()
        self._ending, self._end = threading.Event(), ()
        # A daemon: a tracker that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)
        self._thread.start()

    @property
    def unsent(self) -> int:
        """Records that the tracker has not taken."""
        return self._asked - self._written

    @property
    def alive(self) -> bool:
        """Whether the thread works, or hangs."""
        return self._thread.is_alive()

    def put(self, record: Record, number: int = 0) -> None:
        """Queue a record without waiting; its number counts the records of the training."""
        self._asked += 1
        if self._queue.qsize() >= QUEUED:
            self.problem = self.problem or f"{QUEUED:,} records wait for it, further ones are lost"
        elif self.alive:
            self._queue.put((number, record))

    def finish(self, timeout: float, *end: Any) -> None:
        """Let the thread write the queue and close the tracker; wait up to ``timeout`` seconds."""
        self._end = end
        self._queue.put(None)
        self._ending.set()
        self._thread.join(timeout)
        if self.alive:
            self.problem = self.problem or f"it has not finished within {timeout:g} s"

    def _run(self) -> None:
        opening, write, close = self._calls
        if self._succeeds(opening):
            for batch in self._batches():
                self.passed = max(self.passed, *(number for number, _ in batch))
                if self._succeeds(write, [record for _, record in batch], self.passed):
                    self._written += len(batch)
            self._succeeds(close, *self._end)

    def _succeeds(self, call: Callable[..., None], *arguments: Any) -> bool:
        try:
            call(*arguments)
        except BaseException as error:  # third-party code may raise anything
            self.problem = self.problem or f"{type(error).__name__}: {error}"
            return False
        return True

    def _batches(self) -> Iterator[list[tuple[int, Record]]]:
        """Yield what is queued, until `finish` is called."""
        item = self._queue.get()
        while item is not None:
            self._ending.wait(PAUSE)
            batch = [item]
            try:
                while len(batch) < BATCH and (item := self._queue.get_nowait()) is not None:
                    batch.append(item)
            except Empty:
                item = batch[-1]
            yield batch
            if item is not None:
                item = self._queue.get()
