"""Waiting for something that happens elsewhere: no clock decides how long."""

import time


def until(condition, *processes):
    """Wait until a condition holds, and return what it returned.

    It fails only if one of the processes that are to bring it about has ended. A test that
    waits in vain is shown by pytest's ``faulthandler_timeout``.
    """
    while not (found := condition()):
        ended = [process.args for process in processes if process.poll() is not None]
        assert not ended or condition(), f"ended before the condition held: {ended}"
        time.sleep(0.01)
    return found
