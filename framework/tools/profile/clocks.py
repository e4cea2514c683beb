"""Clocks of a profile: the host's, or events on a GPU's stream."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from firstlight.support.backend import load_cupy


class HostClock:
    """The clock of the CPU; a mark is a time in seconds.

    Attributes
    ----------
    mark : callable
        Returns a mark for now.
    """

    mark: Callable[[], Any] = staticmethod(time.perf_counter)

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """Return the seconds from the first mark to each of the marks."""
        return [mark - marks[0] for mark in marks]


class DeviceClock(HostClock):
    """The clock of a GPU; a mark is a CUDA event on the current stream.

    The host does not wait at a mark. A GPU that has run out of work waits for the host, so its
    events include the time of the host.
    """

    def mark(self) -> Any:
        """Record an event."""
        event = load_cupy().cuda.Event()
        event.record()
        return event

    def seconds(self, marks: Sequence[Any]) -> list[float]:
        """Wait for the last event, and return the seconds from the first one to each."""
        marks[-1].synchronize()
        elapsed = load_cupy().cuda.get_elapsed_time
        return [elapsed(marks[0], mark) / 1e3 for mark in marks]


def clock_of(device: str) -> HostClock:
    """Return the clock of a device."""
    return HostClock() if device == "cpu" else DeviceClock()
