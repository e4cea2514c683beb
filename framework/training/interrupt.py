"""Signals that stop a training after the step under way.

========================  ==================================================================
Ctrl-C (SIGINT)           the first stops after the step, the second at once
SIGTERM                   stops after the step: a cluster is about to take the machine
SIGUSR1                   the same: what Slurm sends ahead with ``--signal=USR1@60``
========================  ==================================================================

A child that is forked meanwhile, by a callback or a loader, gets the previous handlers back: it
trains nothing, and must end on a signal.
"""

import os
import signal
import threading
from functools import cache
from typing import Self

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
_open = []  # the `Interrupt` whose handlers are set, the latest last
_masks = []  # of signals, to be set again after a fork


class Interrupt:
    """While the context is open, the signals above set ``requested`` instead of raising.

    Outside the main thread, where Python allows no signal handlers, it does nothing.

    Attributes
    ----------
    requested : bool
    ending : bool
        Set while the training ends; further signals are ignored then.
    signal : str or None
        Name of the signal that came.
    """

    def __init__(self) -> None:
        self.requested: bool = False
        self.ending: bool = False
        self.signal: str | None = None
        self._previous = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            _watch_forks()
            _open.append(self)
            # None: a handler that is not Python's, and could not be set again.
            ours = [one for one in SIGNALS if signal.getsignal(one) is not None]
            self._previous = {one: signal.signal(one, self._handle) for one in ours}
        return self

    def __exit__(self, *_: object) -> None:
        if self in _open:
            _open.remove(self)
        while self._previous:
            signal.signal(*self._previous.popitem())

    @property
    def asked(self) -> bool:
        """Whether a signal has come to this process."""
        return self.requested

    def note(self, number: int) -> None:
        """Request a stop after this step."""
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


@cache
def _watch_forks():
    """Give children of this process the previous handlers; once is enough."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_leave_all)


def _hold():
    """Hold signals back while a fork is made: the child must not take one with our handlers."""
    if _open:
        _masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))


def _let_go():
    if _masks:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop())


def _leave_all():
    while _open:
        _open[-1].__exit__()
    _let_go()


class SharedInterrupt(Interrupt):
    """An `Interrupt` of several ranks: a signal counts once all ranks know of it.

    Attributes
    ----------
    heard : int
        Number of the signal that came to this rank; 0 for none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: int = 0

    def note(self, number: int) -> None:
        """Remember a signal, for the next agreement."""
        self.heard = int(number)

    def agree_on(self, number: int) -> None:
        """Request the stop, on every rank, that a signal to one of them asks for."""
        super().note(next(one for one in SIGNALS if one == number))

    @property
    def asked(self) -> bool:
        """Whether a signal has come to this rank, agreed upon or not."""
        return self.heard > 0
