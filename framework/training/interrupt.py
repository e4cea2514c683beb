"""Signals that stop a training after the step under way.

========================  ==================================================================
Ctrl-C (SIGINT)           the first stops after the step, the second at once
SIGTERM                   stops after the step: a cluster is about to reclaim the machine
SIGUSR1                   the same: Slurm sends it in advance with ``--signal=USR1@60``
========================  ==================================================================

In a job of ``firstlight slurm``, a training that SIGUSR1 has stopped ends its process with exit
code 130, after everything is saved: the job's script queues it again, and whatever would follow in
the user's script waits for the finished training.

A child process that a callback or a loader forks meanwhile gets the previous handlers back, so that
a signal ends it.
"""

import os
import signal
import threading
from functools import cache
from typing import Self

from firstlight.runs.job import BATCH_SCRIPT

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
_open = []  # the open `Interrupt` contexts, the latest last
_masks = []  # signal masks to restore after a fork


class JobStopped(SystemExit):
    """End of a process whose job is queued again."""


class Interrupt:
    """Context in which the signals above set ``requested`` instead of raising.

    Outside the main thread, where Python allows no signal handlers, it does nothing.

    Attributes
    ----------
    requested : bool
    ending : bool
        True while the training ends; further signals are ignored then.
    signal : str or None
        Name of the signal received.
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
            # None: a handler that Python did not set and could not restore.
            ours = [one for one in SIGNALS if signal.getsignal(one) is not None]
            self._previous = {one: signal.signal(one, self._handle) for one in ours}
        return self

    def __exit__(self, *_: object) -> None:
        if self in _open:
            _open.remove(self)
        while self._previous:
            signal.signal(*self._previous.popitem())

    @property
    def received(self) -> bool:
        """True if this process has received a signal."""
        return self.requested

    def end_job(self) -> None:
        """Raise `JobStopped` if the batch script's signal has stopped the training."""
        if self.signal == "SIGUSR1" and self.requested and os.environ.get(BATCH_SCRIPT):
            raise JobStopped(130)

    def note(self, number: int) -> None:
        """Request a stop after this step."""
        self.requested, self.signal = True, signal.Signals(number).name

    def _handle(self, number, _frame):
        by_hand = number == signal.SIGINT
        if self.ending:
            return
        if self.received and by_hand:
            raise KeyboardInterrupt
        self.note(number)
        # On a terminal, clear the progress bar's line, with the ^C on it.
        clear = os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        again = "; press Ctrl-C again to stop at once" if by_hand else ""
        # Not print(): the signal may have interrupted one.
        os.write(2, b"\r\x1b[2K" if clear else b"\n")
        os.write(2, f"{signal.Signals(number).name}: stopping after this step{again}.\n".encode())


@cache
def _watch_forks():
    """Restore the previous handlers in every forked child; registered once."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_block_signals,
            after_in_parent=_unblock_signals,
            after_in_child=_restore_handlers,
        )


def _block_signals():
    """Block signals during a fork: the child must not receive one with our handlers."""
    if _open:
        _masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS))


def _unblock_signals():
    if _masks:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop())


def _restore_handlers():
    while _open:
        _open[-1].__exit__()
    _unblock_signals()


class SharedInterrupt(Interrupt):
    """`Interrupt` for several ranks: a signal takes effect once the ranks have agreed on it.

    Attributes
    ----------
    heard : int
        Number of the signal that this rank received; 0 for none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: int = 0

    def note(self, number: int) -> None:
        """Store a signal for the next agreement."""
        self.heard = int(number)

    def agree_on(self, number: int) -> None:
        """Request a stop for a signal that any rank received; called on every rank."""
        super().note(next(one for one in SIGNALS if one == number))

    @property
    def received(self) -> bool:
        """True if this rank has received a signal, agreed on or not."""
        return self.heard > 0
