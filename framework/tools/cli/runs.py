"""``firstlight runs``: look at runs, compare them, keep them in order."""

import importlib
from pathlib import Path

from firstlight.runs import find_run, list_runs
from firstlight.runs.find import run_paths
from firstlight.runs.query import check_known
from firstlight.tools.cli.errors import Parser, UsageError, nearest

COMMANDS = {  # name: (module, what it does)
    "list": ("runs_list", "all runs, or those of which something is true"),
    "show": ("runs_show", "one run: settings, results, how it went"),
    "compare": ("runs_compare", "what differs between runs, and what came of it"),
    "plot": ("runs_plot", "curves of several runs in one picture, or on the terminal"),
    "diff": ("runs_diff", "settings, machine and code of two runs, line by line"),
    "tag": ("runs_mark", "give a run tags, or take them away"),
    "note": ("runs_mark", "note something about a run"),
    "rm": ("runs_remove", "delete runs"),
    "gc": ("runs_remove", "delete what failed before there was anything to keep"),
    "export": ("runs_export", "records or results as CSV or Parquet"),
    "diverge": ("runs_diverge", "find the step at which two runs part"),
}
DESCRIPTION = """\
Look at runs, compare them, keep them in order.

{commands}

A RUN is a path, name/id, an id or its end, or a name for the newest of that name; latest is the
newest of all. firstlight runs COMMAND --help tells more. For example:
  firstlight runs list --where "val_acc > 0.9 and model.lr < 0.1" --sort -val_acc
  firstlight runs plot -m val_loss --where "name == 'mlp-digits'" -o curves.svg"""


def run(words):
    """Run a sub-command; returns the exit code."""
    lines = "\n".join(f"  {name:<9} {text}" for name, (_, text) in COMMANDS.items())
    if not words or words[0] in ("-h", "--help"):
        usage = "firstlight runs COMMAND [arguments]"
        Parser("runs", DESCRIPTION.format(commands=lines), usage=usage).print_help()
        return 0
    command, rest = words[0], words[1:]
    if command not in COMMANDS:
        there = nearest(command, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        raise UsageError(f"unknown command runs {command}{there}")
    return importlib.import_module(f"firstlight.tools.cli.{COMMANDS[command][0]}").run(
        command, rest
    )


def parser(command, description, usage, *, many=False):
    """Return a parser of a sub-command; ``many``: it takes runs, or chooses them by ``--where``."""
    made = Parser(f"runs {command}", description, usage=f"firstlight runs {command} {usage}")
    made.add_argument("--runs_dir", metavar="DIR", default="runs", help="folder of all runs")
    if many:
        made.add_argument("runs", nargs="*", metavar="RUN", help="which runs")
        add_where(made)
    return made


def add_where(parser):
    """Add ``--where`` and ``--sort``."""
    text = 'only runs of which this is true, e.g. "val_acc > 0.9 and model.lr < 0.1"'
    parser.add_argument("--where", metavar="EXPRESSION", help=text)
    text = "a metric or setting: smallest first, with a - before it largest first"
    parser.add_argument("--sort", metavar="NAME", help=text)


def one(name, own):
    """Return the run that a word means."""
    try:
        return find_run(name, own.runs_dir)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error


def chosen(own, least=1):
    """Return the runs that words name, or ``--where`` chooses.

    Raises
    ------
    UsageError
        Both or neither were given, or fewer runs than ``least`` are found.
    """
    if bool(own.runs) == (own.where is not None or own.sort is not None):
        raise UsageError('expected runs, or --where "..." to choose them; one of the two')
    named = [name for name in own.runs if not _beside_runs(name)] or own.runs
    found = [one(name, own) for name in named] or every(own)
    found = list({run.path: run for run in found}.values())
    if len(found) < least:
        raise UsageError(f"expected {least} or more runs, found {len(found)} in {own.runs_dir}")
    return found


def _beside_runs(name):
    """Return whether a word is a file or folder that is no run, such as a sweep's ``best.yaml``.

    ``runs/my-sweep/*`` names such too.
    """
    return Path(name).exists() and not run_paths(name)


def every(own):
    """Return all runs that ``--where`` leaves, in the order of ``--sort``."""
    try:
        return list_runs(own.runs_dir, own.where, own.sort)
    except ValueError as error:
        raise UsageError(str(error)) from error


def checked(name, found, who):
    """Raise a `UsageError` unless one of the runs has a name."""
    try:
        check_known(name, found, who)
    except ValueError as error:
        raise UsageError(str(error)) from error
