"""Threads: call a function for blocks of rows that fit in the cache, on all cores.

NumPy's element-wise functions use one core, and on large arrays each pass goes through memory.
They release the GIL, and so does BLAS. Threads that process block after block, with several passes
over each while it is in the cache, therefore gain twice. There are as many threads as BLAS may use
at the time, and within a block BLAS has one: cores are not oversubscribed, and OPENBLAS_NUM_THREADS
and the like apply to both. Only the main thread distributes work; other threads, such as a
loader's, run beside it already.

Distributing work takes 100 µs, and a thread that waits for the GIL sleeps for 50 µs. So blocks must
not be too small, and arrays below 1 MB are faster on one thread.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

from firstlight.support.array import Array

TEAM = "firstlight.fast.compiled.team"  # if a compiled form has imported it
BLOCK_BYTES = 2**19  # of one array in a block; a few passes read two or three such arrays

_jobs = {}


def spread(function: Callable[[int, int], Any], count: int, block: int) -> list[Any]:
    """Call ``function(start, stop)`` for each block of 0 ... count, on all cores.

    The threads take blocks in no fixed order, so calls must not depend on each other. The results
    are in the order of the blocks, so that sums over them are reproducible.

    Parameters
    ----------
    function : callable
        ``f(start, stop)``; called in several threads at once.
    count, block : int
        Rows in all, and rows in a block; the last block may be smaller.

    Returns
    -------
    list
        Results of the calls, in the order of the blocks.

    Examples
    --------
    >>> from firstlight.fast.blocked.parallel import spread
    >>> spread(lambda start, stop: stop - start, 10, 4)
    [4, 4, 2]
    """
    starts = range(0, count, block)
    threads = min(workers(), len(starts)) if len(starts) > 1 else 1
    if threads <= 1:
        return [function(start, min(start + block, count)) for start in starts]
    results, left = [None] * len(starts), iter(range(len(starts)))

    def call(index):
        results[index] = function(starts[index], min(starts[index] + block, count))

    if (team := sys.modules.get(TEAM)) is not None:
        with _one_blas_thread():
            team.call(call, len(starts), threads)
        return results

    def work():
        for index in left:  # the iterator gives each block to one thread only
            call(index)

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

    An array of another library, such as one on a GPU, is a single block.
    """
    count = len(x)
    if not isinstance(x, np.ndarray) or x.nbytes <= BLOCK_BYTES:
        return [function(0, count)]
    return spread(function, count, even_rows(count, x.nbytes // count))


def even_rows(count: int, row_bytes: int) -> int:
    """Return the number of rows in a block for which all threads get equally many blocks."""
    blocks, threads = -(-count // rows_per_block(row_bytes)), workers()
    if blocks > 1:
        blocks = -(-blocks // threads) * threads
    return max(1, -(-count // max(blocks, 1)))


def rows_per_block(row_bytes: int) -> int:
    """Return the number of rows of ``row_bytes`` bytes in a block for `spread`."""
    return max(1, BLOCK_BYTES // row_bytes)


def workers() -> int:
    """Return the number of threads that `spread` uses now: those of BLAS, 1 within a block."""
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
    """Return the job queue of ``threads - 1`` worker threads, started on first use."""
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
        del work, ended  # they hold arrays


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_jobs.clear)  # a forked process does not have these threads
