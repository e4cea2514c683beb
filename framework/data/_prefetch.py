"""Prefetching: create the next batches in a thread during training."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

_END = object()


def prefetched(items: Iterator[Any], ahead: int) -> Iterator[Any]:
    """Yield the items of an iterator; a thread creates up to ``ahead`` of them in advance.

    Order and values do not change. An exception in the thread is raised here. The thread ends when
    the consumer stops early.

    Parameters
    ----------
    items : iterator
    ahead : int
        If 0, each item is created when it is requested, without a thread.
    """
    if ahead < 1:
        yield from items
        return
    ready, stop = queue.Queue(ahead), threading.Event()

    def work():
        try:
            for item in items:
                ready.put((item, None))
                if stop.is_set():
                    return
            ready.put((_END, None))
        except BaseException as error:
            ready.put((_END, error))

    thread = threading.Thread(target=work, name="firstlight-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        while not ready.empty():  # the thread may be waiting to put one more item
            ready.get_nowait()
        thread.join()
