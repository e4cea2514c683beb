"""Prefetching: a second thread makes the next batches while the first one trains."""

import queue
import threading

_END = object()


def prefetched(items, ahead):
    """Yield from an iterator that a thread keeps up to ``ahead`` items in front of.

    Order and values are the same as without; an exception in the thread is raised here; the
    thread ends when the consumer stops early.

    Parameters
    ----------
    items : iterator
    ahead : int
        0 makes each item when it is asked for, without a thread.
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
        while not ready.empty():  # makes room for the one item the thread may be waiting to put
            ready.get_nowait()
        thread.join()
