"""``firstlight runs list``: all runs as a table."""

import json

from firstlight.runs.query import lookup
from firstlight.support.files import strict
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
List runs, the oldest first: how they stand and how well they did.

An expression for --where compares metrics (val_acc: the last value; best.val_acc), settings
(model.lr), and name, id, status, tags, note, started, duration (s), epochs and steps with numbers
and "texts", by < <= > >= == != in, joined by and, or, not."""
USAGE = "[--where EXPRESSION] [--sort NAME] [--columns NAME,...] [--json]"
SHOWN = ("best.val_loss", "best.val_acc", "test_acc")  # where any run has them


def run(command, words):
    """Print the table; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, USAGE)
    runs.add_where(parser)
    text_of_columns = "what to show beside run, status and time, e.g. model.lr,best.val_loss"
    parser.add_argument("--columns", metavar="NAME,...", help=text_of_columns)
    parser.add_argument("--json", action="store_true", help="list as JSON, with all settings")
    own = parser.parse_args(words)
    found = runs.every(own)
    if own.json:
        tell(json.dumps([described(run) for run in found], indent=2))
    elif not found:
        tell(f"no run {'of which this is true ' * bool(own.where)}in {own.runs_dir}")
    else:
        tell(listing(found, columns(own, found)))
    return 0


def columns(own, found):
    """Return the names to show: those asked for and sorted by, or the usual ones."""
    names = own.columns.split(",") if own.columns else []
    if own.sort:
        names = [own.sort.removeprefix("-"), *names]
    if not own.columns:
        names += [name for name in SHOWN if any(lookup(run, name) is not None for run in found)]
    for name in names:
        runs.checked(name, found, "columns")
    return list(dict.fromkeys(names))


def listing(found, names):
    """Return the table as text."""
    rows = [["run", "status", "epochs", *names, "time", "tags"]]
    for run in found:
        values = [text.number(lookup(run, name)) for name in names]
        place = run.place
        marks = " ".join([*run.tags, *(["(note)"] if run.note else [])])
        rows.append(
            [run.label, run.status, place["epoch"], *values, text.took(place["time"]), marks]
        )
    return text.table(rows, right=range(2, len(names) + 4))


def described(run):
    """Return what JSON tells of a run."""
    place = run.place
    return strict(
        {
            "run": run.label,
            "path": str(run.path),
            "status": run.status,
            "started": run.summary.get("started"),
            "duration_s": place["time"],
            "epochs": place["epoch"],
            "steps": place["step"],
            "metrics": run.metrics,
            "best": run.best,
            "tags": run.tags,
            "note": run.note,
            "config": run.config,
        }
    )
