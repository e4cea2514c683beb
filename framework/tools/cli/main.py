"""The ``firstlight`` command: find the sub-command, run it, say how it ended.

Exit codes: 0 done, 1 failed, 2 wrongly used, 130 interrupted.
"""

import contextlib
import importlib
import os
import sys
import traceback
import warnings

from firstlight.distributed.failure import end_all_ranks
from firstlight.distributed.launch import launched
from firstlight.support.extras import MissingPackageError
from firstlight.support.files import working_directory
from firstlight.support.printable import printable
from firstlight.tools.cli.errors import HelpShown, UsageError, nearest

COMMANDS = {
    "fit": "train a model on a data set",
    "validate": "evaluate a run's model on validation data",
    "test": "evaluate a run's model on test data",
    "check": "find what is wrong with a model's backward, data or training",
    "explain": "go through one step of a model, layer by layer",
    "predict": "write a run's predictions to a file",
    "slurm": "write a batch script that trains on a cluster",
    "sweep": "train with many settings, and tell which are best",
    "runs": "list, compare, plot, tag and delete runs",
    "look": "draw what a run's model has learned",
    "generate": "have a run's language model write text",
    "data": "list data sets, or show one",
    "models": "list models",
    "plugins": "list plugins, or start a new one",
    "tensorboard": "look at runs in TensorBoard",
    "report": "write a page about a run, or compare several",
    "poster": "make a poster of a run, A0 or A1",
}
SHARED = {  # commands that share a module
    "validate": "evaluate",
    "test": "evaluate",
    "poster": "report",
    "report": "report",
}
OTHER_NAMES = {  # what other programs call the same
    "train": "fit",
    "evaluate": "test",
    "eval": "test",
    "infer": "predict",
    "ls": "runs list",
    "datasets": "data",
    "callbacks": "plugins",
    "tune": "sweep",
}
SWITCHES = (  # they need no value: what follows is another argument
    *("--help", "--version", "--print_config", "--json", "--parity", "--torch", "--train"),
    "--trust",
    *("--all", "--failed", "--log", "--summary", "--yes"),
)
HELP = """\
usage: firstlight COMMAND [arguments]

Neural networks from scratch: every gradient readable, every run trackable.

{commands}

firstlight COMMAND --help tells more, --debug shows the traceback of an error. For example:
  firstlight fit
  firstlight fit --model mlp --model.hidden 512,256 --data mnist --trainer.max_epochs 10
  firstlight test
"""


def main(argv=None):
    """Run a command line and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv or os.environ.get("FIRSTLIGHT_DEBUG", "0") not in ("", "0")
    cut = argv.index("--") if "--" in argv else len(argv)  # the rest is a script's
    argv = [*joined(word for word in argv[:cut] if word != "--debug"), *argv[cut:]]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start: >&-
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # better a "?" than a crash on an ASCII terminal
            stream.reconfigure(errors="replace")
    start = launched()
    if start is not None and start.rank > 0:  # the first of several processes speaks for all
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    command = argv[0] if argv else "--help"
    who = "firstlight" + (f" {command}" if command in COMMANDS else "")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = _run(command, argv[1:])
            sys.stdout.flush()  # now, while a reader that has gone can still be forgiven
            return code
        except UsageError as error:
            _fail(f"{who}: {error}", error, debug)
            print(f"see {who} --help", file=sys.stderr)
            return end_all_ranks(2)
        except KeyboardInterrupt:
            print(f"{who}: interrupted", file=sys.stderr)
            return end_all_ranks(130)
        except BrokenPipeError:  # the reader, such as `head`, has seen enough
            leave_output()
            return 0
        except (Exception, SystemExit) as error:
            if isinstance(error, OSError) and working_directory() is None:
                error.add_note("the working directory was deleted; change to another one")
            _fail(f"{who} failed: {_message(error)}", error, debug)
            return end_all_ranks(1)


def leave_output():
    """Send what is still printed nowhere, when nobody reads it any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def joined(argv):
    """Return the words of a command with each flag and its value as one, ``--flag=value``.

    ``-`` within a flag becomes ``_``, so that ``--runs-dir`` and ``--runs_dir`` are one.

    Examples
    --------
    >>> from firstlight.tools.cli.main import joined
    >>> joined(["test", "--runs-dir", "out", "--data.seed=-1", "--help", "runs/a"])
    ['test', '--runs_dir=out', '--data.seed=-1', '--help', 'runs/a']
    >>> joined(["check", "--torch", "net.py:Net", "--train", "false"])
    ['check', '--torch', 'net.py:Net', '--train=false']
    """
    words = []
    for word in argv:
        last = words[-1] if words else ""
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            words.append("--" + flag[2:].replace("-", "_") + equals + value)
        elif (
            last.startswith("--")
            and "=" not in last
            and (last not in SWITCHES or word.lower() in ("true", "false"))
        ):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _run(command, words):
    if command in ("--help", "-h", "help"):
        lines = "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=lines), end="")
        return 0
    if command == "--version":
        from firstlight import __version__

        print(f"firstlight {__version__}")
        return 0
    if command not in COMMANDS:
        meant = OTHER_NAMES.get(command)
        guess = f"; did you mean {meant}?" if meant else nearest(command, COMMANDS)
        raise UsageError(f"unknown command {command}{guess}")
    try:
        if command in SHARED:
            return importlib.import_module(f"firstlight.tools.cli.{SHARED[command]}").run(
                command, words
            )
        return importlib.import_module(f"firstlight.tools.cli.{command}").run(words)
    except HelpShown:
        return 0


def _message(error):
    """Return what an exception says, with its notes; its class only where that says more."""
    plain = isinstance(error, (ValueError, TypeError, RuntimeError, OSError, ImportError))
    text = str(error) if plain and str(error) else f"{type(error).__name__}: {error}"
    return "\n  ".join([text, *getattr(error, "__notes__", ())])


def _fail(message, error, debug):
    if debug:
        print(printable("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    elif not isinstance(error, (UsageError, MissingPackageError)):
        message += "\n(--debug shows the traceback)"
    sys.stdout.flush()
    print(printable(message), file=sys.stderr)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    with contextlib.suppress(OSError, ValueError):  # closed or full: no reason to end a training
        print(f"warning: {printable(str(message))}", file=sys.stderr)
