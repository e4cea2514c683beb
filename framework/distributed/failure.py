"""Failure of one rank: it says why, then ends all ranks.

The others wait for it in the middle of a sum, and would wait for ever. A rank that is killed cannot
say anything; ``mpiexec`` notices and ends the others, and so does ``srun --kill-on-bad-exit=1``.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from firstlight.distributed.communicator import Communicator

_communicator = None  # of the job that this process belongs to, if it has several ranks


def install_excepthook(communicator: Communicator) -> None:
    """Let an uncaught exception end all ranks."""
    global _communicator
    _communicator = communicator
    before = sys.excepthook

    def hook(kind, error, trace):
        before(kind, error, trace)
        end_all_ranks(_code(error))

    sys.excepthook = hook


def end_all_ranks(code: int) -> int:
    """Return an exit code; if it is not 0 and there are several ranks, end all of them with it."""
    if _communicator is None or code == 0:
        return code
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, full, closed
            stream.flush()
    _communicator.abort(code)
    return code


@contextmanager
def ending_all_ranks(communicator: Communicator) -> Iterator[None]:
    """Let an exception inside print its traceback and end all ranks; with one rank, pass it on."""
    try:
        yield
    except BaseException as error:
        if communicator.size > 1:
            error.add_note(f"on rank {communicator.rank} of {communicator.size}")
            # In one piece: other ranks may be writing, too.
            sys.stderr.write("".join(traceback.format_exception(error)))
            end_all_ranks(_code(error))
        raise


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code or 1  # an early exit, even with code 0, would deadlock the other ranks
    return 1
