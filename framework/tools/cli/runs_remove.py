"""``firstlight runs rm`` and ``gc``: delete runs."""

import sys
from pathlib import Path

from firstlight.runs import cleaning
from firstlight.runs.find import run_paths
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

REMOVE = "Delete runs, after a question; --yes answers it."
COLLECT = """\
Delete runs that crashed, failed or were interrupted before their first step or checkpoint, and
files that were left half-written; after a question, which --yes answers. What has a tag or a note
stays."""


def run(command, words):
    """Delete; returns the exit code."""
    many = command == "rm"
    usage = 'RUN ... | --where "..." [--yes]' if many else "[--failed] [--yes]"
    parser = runs.parser(command, REMOVE if many else COLLECT, usage, many=many)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    if not many:
        text_of_failed = "all failed and crashed runs, with checkpoints too"
        parser.add_argument("--failed", action="store_true", help=text_of_failed)
    own = parser.parse_args(words)
    files = []
    if many:
        found = runs.chosen(own)
        _check_named(own, found)
    else:
        found, files = cleaning.worthless(own.runs_dir, own.failed)
    if not found and not files:
        tell("there is nothing to delete")
        return 0
    freed = sum(cleaning.size(path) for path in [*(run.path for run in found), *files])
    what = f"{len(found)} run{'s' * (len(found) != 1)}" + f", {len(files)} files" * bool(files)
    what += f", {freed / 1e6:,.1f} MB"
    if not own.yes and not sys.stdin.isatty():
        raise UsageError(f"{what}: there is nobody to ask here; delete with --yes")
    try:
        cleaning.check_removable(found, own.runs_dir)
    except ValueError as error:
        raise UsageError(str(error)) from error
    rows = [(run.label, run.status, text.took(run.place["time"])) for run in found]
    tell(text.table(rows + [(file, "left over", "") for file in files]))
    if not own.yes and input(f"delete {what}? [y/N] ").strip().lower() not in ("y", "yes"):
        return 1
    cleaning.remove(found, own.runs_dir)
    for file in files:
        file.unlink(missing_ok=True)
    tell(f"deleted: {what}")
    return 0


def _check_named(own, found):
    """Refuse links, and folders that have runs in them: a run would go that was not named."""
    paths = {run.path for run in found}
    links = [path for path in run_paths(own.runs_dir) if path.is_symlink()]
    for name in own.runs:
        named = [Path(name), Path(own.runs_dir) / name]
        named += [path for path in links if path.name == name or path.name.endswith(f"_{name}")]
        for path in named:
            if path.is_symlink():
                raise UsageError(cleaning.link_refused(path))
        if Path(name).is_dir() and Path(name).resolve() not in paths:
            raise UsageError(f"{name} is a folder of runs; name the runs to delete, or use --where")
