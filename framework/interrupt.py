"""Signals: asked to stop, a training stops after the step under way, and says so.

========================  ==================================================================
Ctrl-C (SIGINT)           the first stops after the step, the second at once
SIGTERM                   stops after the step: a cluster is about to take the machine
SIGUSR1                   the same: what Slurm sends ahead with ``--signal=USR1@60``
========================  ==================================================================
"""

import os
import signal
import threading

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]


class Interrupt:
    """While the context is open, the signals above set ``requested`` instead of raising.

    Outside the main thread, where Python allows no signal handlers, it does nothing.

    Attributes
    ----------
    requested : bool
    ending : bool
        Set while the training is brought to its end, which nothing may break off.
    signal : str or None
        Name of the signal that came.
    """

    def __init__(self):
        self.requested, self.ending, self.signal = False, False, None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = {one: signal.signal(one, self._handle) for one in SIGNALS}
        return self

    def __exit__(self, *_):
        for one, handler in self._previous.items():
            signal.signal(one, handler)

    @property
    def asked(self):
        """Whether a signal has come to this process."""
        return self.requested

    def note(self, number):
        """Take a signal as the wish to stop after this step."""
        self.requested, self.signal = True, signal.Signals(number).name

    def _handle(self, number, _frame):
        by_hand = number == signal.SIGINT
        if self.ending:
            return
        if self.asked and by_hand:
            raise KeyboardInterrupt
        self.note(number)
        # On a terminal, take away the progress bar's line, and the ^C on it.
        clear = os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        again = "; press Ctrl-C again to stop at once" if by_hand else ""
        # Not print(): a handler may run in the middle of one.
        os.write(2, b"\r\x1b[2K" if clear else b"\n")
        os.write(2, f"{signal.Signals(number).name}: stopping after this step{again}.\n".encode())
