"""Ctrl-C: the first asks the training to stop at the next step, the second stops it at once."""

import os
import signal
import threading


class Interrupt:
    """While the context is open, the first Ctrl-C sets ``requested`` instead of raising.

    Outside the main thread, where Python allows no signal handlers, it does nothing.
    """

    def __init__(self):
        self.requested = False
        self._previous = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, _signal, _frame):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        # On a terminal, take away the progress bar's line, and the ^C on it.
        clear = os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        # Not print(): a handler may run in the middle of one.
        os.write(2, b"\r\x1b[2K" if clear else b"\n")
        os.write(2, b"Stopping after this step; press Ctrl-C again to stop at once.\n")
