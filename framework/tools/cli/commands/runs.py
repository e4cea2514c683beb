"""``firstlight runs``: look at runs, compare them, keep them in order."""

from pathlib import Path

from firstlight.runs import RunFolder, find_run, list_runs
from firstlight.runs.find import run_paths
from firstlight.tools.cli.command import RUNS_DIR, WHERE, Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.registry import find, overview


class Runs(Command):
    """Look at runs, compare them, keep them in order.

    {commands}

    A RUN is a path, name/id, an id or its end, or a name for the newest of that name; latest is the
    newest of all. firstlight runs COMMAND --help shows its options. For example:
      firstlight runs list --where "val_acc > 0.9 and model.lr < 0.1" --sort -val_acc
      firstlight runs plot -m val_loss --where "name == 'mlp-digits'" -o curves.svg
    """

    usage = "COMMAND [arguments]"

    def __call__(self, name: str, words: list[str]) -> int:
        """Show the commands of the group, or run one that a plugin has added to it."""
        if words and words[0] not in ("-h", "--help"):
            command, whole, rest = find(words, group=name)
            return command()(whole, rest)
        parser = self.make_parser(name)
        parser.description = parser.description.format(commands=overview(name))
        parser.print_help()
        return 0


RUNS = (option("runs", "which runs", nargs="*", metavar="RUN"), *WHERE)


class RunsCommand(Command):
    """A command on one run or on several."""

    options: Options = (RUNS_DIR,)


def named_run(name: str | None, args: Args) -> RunFolder:
    """Return the run that a command line names."""
    with usage_errors(kinds=(FileNotFoundError,)):
        return find_run(name, args.runs_dir)


def chosen_runs(args: Args, least: int = 1) -> list[RunFolder]:
    """Return the runs that are named, or that ``--where`` chooses.

    Raises
    ------
    UsageError
        Both or neither were given, or fewer runs than ``least`` are found.
    """
    if bool(args.runs) == (args.where is not None or args.sort is not None):
        raise UsageError('expected either runs, or --where "..." to choose them')
    # runs/my-sweep/* also names files and folders that are no runs, such as best.yaml
    named = [name for name in args.runs if not Path(name).exists() or run_paths(name)]
    found = [named_run(name, args) for name in named or args.runs] or matching_runs(args)
    found = list({run.path: run for run in found}.values())
    if len(found) < least:
        raise UsageError(f"expected {least} or more runs, found {len(found)} in {args.runs_dir}")
    return found


def matching_runs(args: Args) -> list[RunFolder]:
    """Return all runs that fulfil ``--where``, in the order of ``--sort``."""
    with usage_errors():
        return list_runs(args.runs_dir, args.where, args.sort)
