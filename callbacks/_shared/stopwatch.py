"""Stopwatch: how much of the time goes into which part."""

import functools
import time
from collections import Counter


class Stopwatch:
    """Seconds spent in named parts; while one part calls another, only the inner one's run.

    Parameters
    ----------
    rest : str
        What the time counts for that is in no part.

    Attributes
    ----------
    seconds : Counter of str to float
        By part.
    calls : Counter of str to int

    Examples
    --------
    >>> from firstlight.callbacks._shared.stopwatch import Stopwatch
    >>> watch = Stopwatch("rest")
    >>> double = watch.timed("double", lambda x: 2 * x)
    >>> double(4), list(watch.lap()), watch.calls["double"]
    (8, ['rest', 'double'], 1)
    """

    def __init__(self, rest) -> None:
        self.seconds, self.calls = Counter({rest: 0.0}), Counter()
        self._running, self._since = [rest], time.perf_counter()

    def timed(self, part, function):
        """Return the function, made to run on a part's account."""

        @functools.wraps(function)
        def timed(*args, **kwargs):
            self._change()
            self._running.append(part)
            self.calls[part] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._change()
                self._running.pop()

        return timed

    def rest(self, part):
        """Change what the time counts for that is in no part."""
        self._change()
        self._running[0] = part

    def lap(self):
        """Return the seconds up to now."""
        self._change()
        return self.seconds

    def _change(self):
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now
