"""``firstlight runs tag``, ``note``, ``rm`` and ``gc``: mark runs, and delete them."""

import sys
from pathlib import Path

from firstlight.runs import RunFolder, cleaning, run_files
from firstlight.runs.find import run_paths
from firstlight.tools.cli import text
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.commands.runs import RUNS, RunsCommand, chosen_runs, named_run
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell


class Tag(RunsCommand):
    """Add tags to a run, remove others, and show its tags.

    List runs by tag: firstlight runs list --where "'baseline' in tags".
    """

    options: Options = (
        option("run", "which run"),
        option("tags", "tags to add", nargs="*", metavar="TAG"),
        option("--remove TAG,...", "tags to remove"),
    )

    def run(self, args: Args) -> int:
        """Change the tags, and print them."""
        found = named_run(args.run, args)
        away = args.remove.split(",") if args.remove else []
        missing = [word for word in away if word not in found.tags]
        if missing:
            has = f"it has {', '.join(found.tags)}" if found.tags else "it has none"
            raise UsageError(f"{found.label} has no tag {missing[0]}; {has}")
        tags = found.tags
        if args.tags or away:
            with usage_errors():
                tags = run_files.tag(found.path, args.tags, away)
        tell(f"{found.label}: {' '.join(tags) or 'no tags'}")
        return 0


class Note(RunsCommand):
    """Write a note to a run, or show its note; "" removes it."""

    options: Options = (option("run", "which run"), option("text", "the note", nargs="*"))

    def run(self, args: Args) -> int:
        """Write the note, and print it."""
        found = named_run(args.run, args)
        note = found.note
        if args.text:
            note = " ".join(args.text)
            run_files.note(found.path, note)
        tell(f"{found.label}: {note or 'no note'}")
        return 0


class Deletion(RunsCommand):
    """A command that deletes runs, after a question."""

    options: Options = (option("--yes", "do not ask", False),)

    def find(self, args: Args) -> tuple[list[RunFolder], list[Path]]:
        """Return the runs, and single files, to delete."""
        raise NotImplementedError

    def run(self, args: Args) -> int:
        """Ask for confirmation, and delete."""
        found, files = self.find(args)
        if not found and not files:
            tell("there is nothing to delete")
            return 0
        freed = sum(cleaning.size(path) for path in [*(run.path for run in found), *files])
        what = f"{len(found)} run{'s' * (len(found) != 1)}" + f", {len(files)} files" * bool(files)
        what += f", {freed / 1e6:,.1f} MB"
        if not args.yes and not sys.stdin.isatty():
            raise UsageError(
                f"{what}: stdin is not a terminal, so no confirmation is possible; "
                "delete with --yes"
            )
        with usage_errors():
            cleaning.check_removable(found, args.runs_dir)
        rows = [(run.label, run.status, text.took(run.place["time"])) for run in found]
        tell(text.table([*rows, *((file, "left over", "") for file in files)]))
        if not args.yes and input(f"delete {what}? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
        cleaning.remove(found, args.runs_dir)
        for file in files:
            file.unlink(missing_ok=True)
        tell(f"deleted: {what}")
        return 0


class Remove(Deletion):
    """Delete runs, after a question; --yes answers it."""

    options: Options = RUNS

    def find(self, args: Args) -> tuple[list[RunFolder], list[Path]]:
        """Return the runs that are named or chosen."""
        found = chosen_runs(args)
        _check_named(args, found)
        return found, []


class Collect(Deletion):
    """Delete runs that crashed, failed or were interrupted before their first step or checkpoint,
    and files that were left half-written; after a question, which --yes answers. Runs with a tag or
    a note are kept.
    """

    options: Options = (option("--failed", "failed and crashed runs with checkpoints too", False),)

    def find(self, args: Args) -> tuple[list[RunFolder], list[Path]]:
        """Return the runs, and single files, that are of no use."""
        return cleaning.worthless(args.runs_dir, args.failed)


def _check_named(args, found):
    """Refuse links, and folders of runs: runs would be deleted that were not named."""
    paths = {run.path for run in found}
    links = [path for path in run_paths(args.runs_dir) if path.is_symlink()]
    for name in args.runs:
        named = [Path(name), Path(args.runs_dir) / name]
        named += [path for path in links if path.name == name or path.name.endswith(f"_{name}")]
        for path in named:
            if path.is_symlink():
                raise UsageError(cleaning.link_refused(path))
        if Path(name).is_dir() and Path(name).resolve() not in paths:
            raise UsageError(f"{name} is a folder of runs; name the runs to delete, or use --where")
