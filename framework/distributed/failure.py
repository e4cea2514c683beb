"""Failure of one rank: print the traceback, then end all ranks.

Otherwise the other ranks would wait for it forever in an all-reduce. If a rank is killed,
``mpiexec`` or ``srun --kill-on-bad-exit=1`` ends the others.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from firstlight.distributed.communicator import Communicator

_communicator = None  # of this process's job, if it has several ranks


def install_excepthook(communicator: Communicator) -> None:
    """Set ``sys.excepthook`` so that an uncaught exception ends all ranks."""
    global _communicator
    _communicator = communicator
    before = sys.excepthook

    def hook(kind, error, trace):
        before(kind, error, trace)
        end_all_ranks(_code(error))

    sys.excepthook = hook


def end_all_ranks(code: int) -> int:
    """End all ranks with an exit code, and return it; with a single rank or code 0, do nothing."""
    if _communicator is None or code == 0:
        return code
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, full, closed
            stream.flush()
    _communicator.abort(code)
    return code


@contextmanager
def ending_all_ranks(communicator: Communicator) -> Iterator[None]:
    """On an exception, print the traceback and end all ranks; with one rank, raise it."""
    try:
        yield
    except BaseException as error:
        if communicator.size > 1:
            error.add_note(f"on rank {communicator.rank} of {communicator.size}")
            # One write: other ranks may be writing too.
            sys.stderr.write("".join(traceback.format_exception(error)))
            end_all_ranks(_code(error))
        raise


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code or 1  # an early exit, even with code 0, would deadlock the other ranks
    return 1
