"""The ``firstlight`` command: find the command, run it, report how it ended.

Exit codes: 0 done, 1 failed, 2 wrongly used, 130 interrupted.
"""

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from firstlight import __version__
from firstlight.support.extras import MissingPackageError
from firstlight.support.files import working_directory
from firstlight.support.printable import discard_pending, printable
from firstlight.tools.cli.errors import HelpShown, UsageError
from firstlight.tools.cli.registry import find, overview

HELP = """\
usage: firstlight COMMAND [arguments]

Neural networks from scratch: every gradient readable, every run trackable.

{commands}

firstlight COMMAND --help shows its options, --debug the traceback of an error. For example:
  firstlight fit
  firstlight fit --model mlp --model.hidden 512,256 --data mnist --trainer.max_epochs 10
  firstlight test
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    cut = argv.index("--") if "--" in argv else len(argv)  # the rest is a script's
    debug = "--debug" in argv[:cut] or os.environ.get("FIRSTLIGHT_DEBUG", "0") not in ("", "0")
    argv = [*(word for word in argv[:cut] if word != "--debug"), *argv[cut:]]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start: >&-
            setattr(sys, name, _nowhere())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # better a "?" than a crash on an ASCII terminal
            stream.reconfigure(errors="replace")
    who = "firstlight"
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = 0
            if not argv or argv[0] in ("--help", "-h", "help"):
                print(HELP.format(commands=overview()), end="")
            elif argv[0] == "--version":
                print(f"firstlight {__version__}")
            else:
                if argv[0] != "doctor":  # which runs where NumPy crashes
                    _silence_other_ranks()
                command, name, rest = find(argv)
                who = f"firstlight {name}"
                with contextlib.suppress(HelpShown):
                    code = command()(name, rest)
            sys.stdout.flush()  # now, so that a closed pipe is handled below
            return code
        except UsageError as error:
            _fail(f"{who}: {error}", error, debug)
            print(f"see {who} --help", file=sys.stderr)
            return _end(2)
        except KeyboardInterrupt:
            print(f"{who}: interrupted", file=sys.stderr)
            return _end(130)
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
            leave_output()
            return 0
        except (Exception, SystemExit) as error:
            if isinstance(error, OSError) and working_directory() is None:
                error.add_note("the working directory was deleted; change to another one")
            _fail(f"{who} failed: {_message(error)}", error, debug)
            return _end(1)


def _silence_other_ranks() -> None:
    """Let only rank 0 print."""
    try:
        from firstlight.distributed.launch import launched  # with NumPy, which --help does without
    except ImportError:  # the command says so itself; `doctor` names the reason
        return
    start = launched()
    if start is not None and start.rank > 0:
        sys.stdout = _nowhere()


def _nowhere() -> TextIO:
    """Return a stream that takes every letter, whatever the encoding of the system."""
    return open(os.devnull, "w", encoding="utf-8", errors="replace")


def _end(code: int) -> int:
    try:
        from firstlight.distributed.failure import end_all_ranks
    except ImportError:
        return code
    return end_all_ranks(code)


def leave_output() -> None:
    """Discard further output after the reader of the pipe has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: BaseException) -> str:
    """Return an exception's message and notes, with its class only where needed."""
    plain = isinstance(error, (ValueError, TypeError, RuntimeError, OSError, ImportError))
    text = str(error) if plain and str(error) else f"{type(error).__name__}: {error}"
    return "\n  ".join([text, *getattr(error, "__notes__", ())])


def _fail(message: str, error: BaseException, debug: bool) -> None:
    if debug:
        print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    elif not isinstance(error, (UsageError, MissingPackageError)):
        message += "\n(--debug shows the traceback)"
        if isinstance(error, ImportError):
            message += "\n(firstlight doctor examines the installation)"
    sys.stdout.flush()
    print(printable(message), file=sys.stderr)


def _show_warning(message: Warning | str, *_: Any) -> None:
    try:
        print(f"warning: {printable(str(message))}", file=sys.stderr)
    except (OSError, ValueError):  # closed or full: no reason to end a training
        discard_pending(sys.stderr)
