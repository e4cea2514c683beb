"""Worker processes that create batches, and hand them over in shared memory.

Processes are spawned: a forked one would copy locks and threads (BLAS, numba, CuPy) in whatever
state they are. Each process has a pipe, which brings it one task at a time, and memory for one
batch, which it shares with this process:

=====================  ================================================================
to the worker          from the worker
=====================  ================================================================
a `Task`               ``(GROW, bytes)`` if the batch does not fit into the memory
name of new memory     ``(DONE, pickle, sizes)``; the arrays follow each other in memory
..                     or ``(FAILED, error, traceback)``
=====================  ================================================================

A worker ends when its pipe is closed, as it is when this process ends in whatever way. The shared
memory of a process that is killed is then freed by the resource tracker of `multiprocessing`.
"""

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing import util
from multiprocessing.shared_memory import SharedMemory
from queue import SimpleQueue
from typing import Any

import numpy as np

from firstlight.data import _sharing

GROW, DONE, FAILED = "grow", "done", "failed"
ALIGNMENT = 64  # bytes
# Ctrl-C and a cluster's signals reach all processes; the training alone decides what they mean.
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")
    if hasattr(signal, name)
]
SECONDS = 5  # until a worker that does not end is killed
ADVICE = (
    "worker processes need importable code: put it into a module, and what a script does under\nif "
    '__name__ == "__main__":; or use workers="threads"'
)


class WorkerError(Exception):
    """The traceback of an error in a worker process; the cause of the error that is raised."""

    def __str__(self) -> str:
        return f"\n\nin a worker process of the DataLoader:\n{self.args[0]}"


class WorkerProcesses:
    """Processes that call a function; each call from a thread uses one that is free.

    Parameters
    ----------
    make : callable
        It is pickled once for each process; large arrays in it are shared, see
        `firstlight.data._sharing`.
    count : int
        Number of processes.
    """

    def __init__(self, make: Callable[[Any], Any], count: int) -> None:
        self._make = make
        try:
            content, segments = _sharing.dumps(make)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            error.add_note(f"DataLoader: data set and transform cannot be pickled; {ADVICE}")
            raise
        self._workers, self._free = [], SimpleQueue()
        # Unlike atexit, this runs before multiprocessing joins processes that still wait for tasks.
        self._close = util.Finalize(self, _close, (self._workers, segments), exitpriority=10)
        for _ in range(count):
            self._workers.append(_Worker(content))
            self._free.put(self._workers[-1])

    def __call__(self, task: Any) -> Any:
        """Return ``make(task)``, called in a process.

        Raises
        ------
        RuntimeError
            The process has died.
        """
        worker = self._free.get()
        try:
            return worker.call(task)
        finally:
            self._free.put(worker)

    def serve(self, make: Callable[[Any], Any], count: int) -> bool:
        """Return whether these are ``count`` living processes that call an equal ``make``."""
        alive = all(worker.process.is_alive() for worker in self._workers)
        return alive and len(self._workers) == count and self._make == make

    def close(self) -> None:
        """End the processes, and free their memory."""
        self._close()


class _Worker:
    """A worker, as the process that uses it sees it."""

    def __init__(self, content):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _signals_blocked():  # also in the process, until it ignores them
            self.process.start()
        theirs.close()
        self.memory = None
        self._content = content  # sent with the first task: now the process is still starting

    def call(self, task):
        try:
            if self._content is not None:
                self.pipe.send_bytes(self._content)
                self._content = None
            self.pipe.send(task)
            kind, *answer = self.pipe.recv()
            if kind == GROW:
                self._grow(*answer)
                self.pipe.send(self.memory.name)
                kind, *answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if kind == FAILED:
            error, text = answer
            raise error from WorkerError(text)
        content, sizes = answer
        return pickle.loads(content, buffers=list(self._taken(sizes)))

    def _grow(self, size):
        self.free()
        self.memory = _sharing.allocate(size)

    def _taken(self, sizes):
        """Yield copies of the arrays in the memory, which the next batch overwrites."""
        start = 0
        for size in sizes:
            yield np.frombuffer(self.memory.buf, "uint8", size, start).copy()
            start = _aligned(start + size)

    def free(self):
        if self.memory is not None:
            _sharing.release([self.memory])
            self.memory = None

    def _death(self):
        self.process.join(SECONDS)
        code = self.process.exitcode
        reason = f"ended with code {code}; its own error is above; {ADVICE}"
        if code is not None and code < 0:
            reason = (
                f"was killed by {signal.Signals(-code).name}; often memory is short (SIGKILL), or "
                "the shared memory in /dev/shm (SIGBUS): use fewer workers, smaller batches, or "
                'workers="threads"'
            )
        return RuntimeError(f"DataLoader: worker process {self.process.pid} {reason}")


@contextmanager
def _signals_blocked():
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _close(workers, segments):
    for worker in workers:
        worker.pipe.close()  # the worker ends after its current batch
    for worker in workers:
        worker.process.join(SECONDS)
        worker.process.kill()
        worker.process.join()
        worker.free()
    _sharing.release(segments)


def _serve(pipe):
    """Create batches until the pipe is closed; runs in the worker process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    memory = make = None
    try:
        content = pipe.recv_bytes()
        while True:
            task = pipe.recv()
            try:
                make = make or _ready(content)
                arrays = []
                head = pickle.dumps(make(task), 5, buffer_callback=arrays.append)
                arrays = [array.raw() for array in arrays]
                size = sum(_aligned(array.nbytes) for array in arrays)
                if arrays and (memory is None or memory.size < size):
                    pipe.send((GROW, size))
                    if memory is not None:
                        memory.close()
                    memory = SharedMemory(pipe.recv())
                start = 0
                for array in arrays:
                    memory.buf[start : start + array.nbytes] = array
                    start = _aligned(start + array.nbytes)
                pipe.send((DONE, head, [array.nbytes for array in arrays]))
            except Exception as error:
                pipe.send((FAILED, _picklable(error), traceback.format_exc()))
    except (EOFError, OSError):
        os._exit(0)  # no clean-up: arrays still use shared memory


def _ready(content):
    """Return the function of a pickle, after limiting BLAS to one thread in this process."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    try:
        return _sharing.loads(content)
    except (AttributeError, ImportError) as error:
        error.add_note(f"DataLoader: {ADVICE}")
        raise


def _picklable(error):
    """Return an error that the other process can load."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT
