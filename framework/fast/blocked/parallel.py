"""Work on all cores: a function called for blocks of rows that are small enough for the cache.

NumPy's element-wise functions use one core, and on large arrays each pass goes through memory.
They release Python's lock, though, and so does BLAS: threads that take block after block, with
several passes over each while it is in the cache, win twice. There are as many threads as BLAS
may use at the time, and within a block BLAS has one: cores are never asked for twice, and
OPENBLAS_NUM_THREADS and the like hold for both. Only the main thread hands work out; others,
such as a loader's that makes batches ahead, are busy beside it already.

Handing work over takes 100 us, and each time that two threads want Python's lock at once one of
them sleeps for 50 us. So blocks must not be too small. Sigmoid of 2048 x 1536 float32: 3.6 ms
whole, 2.9 ms in blocks of 128 KB, on two threads 4.2 ms in blocks of 64 KB and 1.6 ms of 1 MB;
below 1 MB in all, one thread is the faster.
"""

import os
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

from firstlight.support.array import Array

BLOCK_BYTES = 2**19  # of one array in a block, for a few passes over two or three such arrays

_jobs = {}


def spread(function: Callable[[int, int], Any], count: int, block: int) -> list[Any]:
    """Call ``function(start, stop)`` for each block of 0 ... count, on all cores.

    Which thread takes which block is chance, so that no call may depend on another's; what they
    return is in order, so that sums over it are the same each time.

    Parameters
    ----------
    function : callable
        ``f(start, stop)``; called in several threads at once.
    count, block : int
        How many rows there are, and how many make a block; the last one may be smaller.

    Returns
    -------
    list
        What the calls returned, in the order of the blocks.

    Examples
    --------
    >>> from firstlight.fast.blocked.parallel import spread
    >>> spread(lambda start, stop: stop - start, 10, 4)
    [4, 4, 2]
    """
    starts = range(0, count, block)
    threads = min(workers(), len(starts))
    if threads <= 1:
        return [function(start, min(start + block, count)) for start in starts]
    results, left = [None] * len(starts), iter(enumerate(starts))

    def work():
        for index, start in left:  # the iterator hands each block to one thread only
            results[index] = function(start, min(start + block, count))

    ended = SimpleQueue()
    with _one_blas_thread():
        for _ in range(threads - 1):
            _jobs_for(threads).put((work, ended))
        try:
            work()
        finally:
            failures = [ended.get() for _ in range(threads - 1)]
    for failure in filter(None, failures):
        raise failure
    return results


def spread_rows(function: Callable[[int, int], Any], x: Array) -> list[Any]:
    """Call ``function(start, stop)`` for blocks of the rows of x, on all cores.

    An array that is not NumPy's, such as one on a GPU, is a single block.
    """
    count = len(x)
    if not isinstance(x, np.ndarray) or x.nbytes <= BLOCK_BYTES:
        return [function(0, count)]
    return spread(function, count, even_rows(count, x.nbytes // count))


def even_rows(count: int, row_bytes: int) -> int:
    """Return how many of ``count`` rows make a block, such that all threads get equally many."""
    blocks, threads = -(-count // rows_per_block(row_bytes)), workers()
    if blocks > 1:
        blocks = -(-blocks // threads) * threads
    return max(1, -(-count // max(blocks, 1)))


def rows_per_block(row_bytes: int) -> int:
    """Return how many rows of so many bytes make a block for `spread`."""
    return max(1, BLOCK_BYTES // row_bytes)


def workers() -> int:
    """Return how many threads `spread` would use now: as many as BLAS, 1 within a block."""
    if threading.current_thread() is not threading.main_thread():
        return 1
    return max((library.num_threads for library in _libraries()), default=1)


@cache
def _libraries():
    """Return threadpoolctl's controllers of the BLAS that NumPy uses."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


@contextmanager
def _one_blas_thread():
    before = [library.num_threads for library in _libraries()]
    _set_threads([1] * len(before))
    try:
        yield
    finally:
        _set_threads(before)


def _set_threads(counts):
    for library, threads in zip(_libraries(), counts, strict=True):
        library.set_num_threads(threads)


def _jobs_for(threads):
    """Return the queue of jobs of as many threads, less the main one."""
    if threads not in _jobs:
        _jobs[threads] = SimpleQueue()
        for number in range(1, threads):
            name, jobs = f"firstlight-block-{number}", _jobs[threads]
            threading.Thread(target=_serve, args=(jobs,), name=name, daemon=True).start()
    return _jobs[threads]


def _serve(jobs):
    while True:
        work, ended = jobs.get()
        try:
            work()
        except BaseException as failure:
            ended.put(failure)
        else:
            ended.put(None)
        del work, ended  # the arrays that they hold


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_jobs.clear)  # a forked process has no threads of ours
