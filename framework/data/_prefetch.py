"""Prefetching: create the next batches in threads during training."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def prefetched(
    make: Callable[[Any], Any], tasks: Iterable[Any], ahead: int, threads: int = 1
) -> Iterator[Any]:
    """Yield ``make(task)`` for each task; threads create up to ``ahead`` of them in advance.

    Order and values do not change. An exception in a thread is raised here, after the items before
    it. The threads end when the consumer stops early.

    Parameters
    ----------
    make : callable
        Called in several threads at once.
    tasks : iterable
    ahead : int
        If 0, each item is created when it is requested, without a thread.
    threads : int
    """
    if ahead < 1:
        yield from map(make, tasks)
        return
    pool, waiting = ThreadPoolExecutor(threads, "firstlight-prefetch"), deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(make, task))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
