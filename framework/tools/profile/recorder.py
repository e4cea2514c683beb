"""Spans of one step: what ran, from when to when, within what, and with how much memory."""

import functools
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firstlight.support.backend import load_cupy
from firstlight.tools.profile.clocks import HostClock

OWN = "profiler"  # phase of the spans in which the profiler itself works
CALLS, TRIES = 200, 5  # to measure what a span costs


@dataclass(eq=False)
class Span:
    """One call of a part of the step.

    Attributes
    ----------
    name : str
        A layer's name in the model, or a callback's.
    phase : str
        "forward" or "backward" of a layer; "data", "optimizer", "zero_grad", "callback" or `OWN`.
    start, end : float
        Seconds since the step's start.
    parent : Span or None
        The span in which this one ran.
    held, peak : int
        Bytes that were allocated within the span and are still held at its end; the most that were
        held at once. They are 0 unless memory is measured.
    """

    name: str
    phase: str
    start: float
    end: float = 0.0
    parent: "Span | None" = None
    held: int = 0
    peak: int = 0


class Recorder:
    """Record the spans of a step.

    During the step, only a mark is kept for the beginning and the end of each call. Calls from
    other threads are not recorded: their time belongs to the span that waits for them.

    Parameters
    ----------
    clock : HostClock
    """

    def __init__(self, clock: HostClock) -> None:
        self._clock, self._marks = clock, []
        self._keys: list[tuple[str, str] | None] = []
        self._mark: Callable[[], Any] = clock.mark

    def start(self) -> None:
        """Begin a step."""
        self._keys.clear()
        self._marks[:] = [self._mark()]

    def timed(self, name: str, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, wrapped so that each call is a span."""
        key, begins, marks = (name, phase), self._keys.append, self._marks.append
        mark, ident, thread = self._mark, threading.get_ident, threading.get_ident()

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if ident() != thread:
                return function(*args, **kwargs)
            begins(key)
            marks(mark())
            try:
                return function(*args, **kwargs)
            finally:
                marks(mark())
                begins(None)

        return timed

    def finish(self) -> tuple[float, list[Span]]:
        """End the step; return its seconds, and its spans in the order in which they began."""
        self._marks.append(self._mark())
        _, *marks, total = self._marks
        times = self._times(self._marks)
        spans: list[Span] = []
        opened: list[Span] = []
        for key, seconds, mark in zip(self._keys, times[1:-1], marks, strict=True):
            if key is None:
                span = opened.pop()
                span.end = seconds
                self._note(span, mark, opened)
            else:
                parent = opened[-1] if opened else None
                span = Span(*key, seconds, parent=parent)
                self._note(None, mark, opened)
                self._open(span, mark)
                spans.append(span)
                opened.append(span)
        return times[-1], spans

    def _times(self, marks):
        return self._clock.seconds(marks)

    def _open(self, span, mark):
        """Note what a mark says about a span that begins."""

    def _note(self, span, mark, opened):
        """Note what a mark says about the span that ends, if one does, and those around it."""


class MemoryRecorder(Recorder):
    """Record what each span allocates; the times have no use."""

    def __init__(self, clock: HostClock, on_gpu: bool) -> None:
        super().__init__(clock)
        self._mark = _pool_mark if on_gpu else _traced_mark

    def _times(self, marks):
        return [0.0] * len(marks)

    def _open(self, span, mark):
        span.held = span.peak = mark[0]  # absolute until the span ends

    def _note(self, span, mark, opened):
        now, peak = mark
        for one in (*opened, *([] if span is None else [span])):
            one.peak = max(one.peak, peak)
        if span is not None:
            span.held, span.peak = now - span.held, span.peak - span.held


def _traced_mark():
    """Return the bytes held now, and at most since the last mark."""
    found = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    return found


def _pool_mark():
    used = load_cupy().get_default_memory_pool().used_bytes()
    return used, used


def span_seconds(clock: HostClock) -> tuple[float, float]:
    """Return what recording adds to a span itself, and to the one around it.

    Each is the smallest of some measurements. They are 0 for a GPU, whose work hides the host's.
    """
    if type(clock) is not HostClock:
        return 0.0, 0.0
    found = []
    for _ in range(TRIES):
        recorder = Recorder(clock)
        call = recorder.timed("", "within", _nothing)
        recorder.start()
        recorder.timed("", "around", _repeat)(call)
        recorder.timed("", "bare", _repeat)(_nothing)
        _, spans = recorder.finish()
        seconds = Counter()
        for span in spans:
            seconds[span.phase] += (span.end - span.start) / CALLS
        found.append((seconds["within"] - seconds["bare"], seconds["around"] - seconds["within"]))
    return tuple(max(0.0, min(column)) for column in zip(*found, strict=True))


def _repeat(function):
    for _ in range(CALLS):
        function(None)


def _nothing(x):
    return x
