"""Failure: a rank that fails takes all others with it, after it has said why.

The others wait for it in the midst of a sum, and would for ever. A rank that is killed cannot say
anything; ``mpiexec`` sees it go and ends the others, and so does
``srun --kill-on-bad-exit=1``.
"""

import sys
import traceback
from contextlib import contextmanager, suppress

_communicator = None  # of the job that this process is a part of, if it has several


def end_together(communicator):
    """Have an exception that nobody catches end all ranks."""
    global _communicator
    _communicator = communicator
    before = sys.excepthook

    def hook(kind, error, trace):
        before(kind, error, trace)
        leave(_code(error))

    sys.excepthook = hook


def leave(code):
    """Return an exit code; where this process is one of several, end all of them with it."""
    if _communicator is None or code == 0:
        return code
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, full, closed
            stream.flush()
    _communicator.abort(code)
    return code


@contextmanager
def together(communicator):
    """Let an exception inside end all ranks, with its traceback first; alone, it passes on."""
    try:
        yield
    except BaseException as error:
        if communicator.size > 1:
            error.add_note(f"on rank {communicator.rank} of {communicator.size}")
            # In one piece: other ranks may be writing, too.
            sys.stderr.write("".join(traceback.format_exception(error)))
            leave(_code(error))
        raise


def _code(error):
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code or 1  # whoever leaves early, even content, leaves the others waiting
    return 1
