"""``firstlight runs list`` and ``runs show``: all runs as a table, and one in detail."""

import json
from typing import Any

from firstlight.runs import RunFolder, machine_rows
from firstlight.runs.listing import usual_columns
from firstlight.runs.query import check_known, flat, lookup
from firstlight.runs.run import PATCH
from firstlight.runs.system import resource_texts
from firstlight.runs.watch import LOG
from firstlight.support.files import strict
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, WHERE, Args, Options, option
from firstlight.tools.cli.commands.runs import RunsCommand, matching_runs, named_run
from firstlight.tools.cli.errors import usage_errors
from firstlight.tools.cli.text import tell


class List(RunsCommand):
    """List runs with status and results, the oldest first.

    An expression for --where compares metrics (val_acc: the last value; best.val_acc), settings
    (model.lr), and name, id, status, tags, note, started, duration (s), epochs and steps with
    numbers and "texts", by < <= > >= == != in, joined by and, or, not.
    """

    options: Options = (
        *WHERE,
        option(
            "--columns NAME,...",
            "columns besides run, status and time, e.g. model.lr,best.val_loss",
        ),
        JSON,
    )

    def run(self, args: Args) -> int:
        """Print the table."""
        found = matching_runs(args)
        if args.json:
            tell(json.dumps([described(run) for run in found], indent=2))
        elif not found:
            tell(f"no run in {args.runs_dir}{' fulfils --where' * bool(args.where)}")
        else:
            _list(found, _columns(args, found))
        return 0


def _columns(args, found):
    """Return the names to show: requested and sorted ones, or the defaults."""
    names = args.columns.split(",") if args.columns else []
    if args.sort:
        names = [args.sort.removeprefix("-"), *names]
    if not args.columns:
        names += usual_columns(found)
    with usage_errors():
        for name in names:
            check_known(name, found, "columns")
    return list(dict.fromkeys(names))


def _list(found, names):
    rows = [["run", "status", "epochs", *names, "time", "tags"]]
    for run in found:
        values = [text.number(lookup(run, name)) for name in names]
        place, marks = run.place, " ".join([*run.tags, *["(note)"] * bool(run.note)])
        time = text.took(place["time"])
        rows.append([run.label, run.status, place["epoch"], *values, time, marks])
    tell(text.table(rows, right=range(2, len(names) + 4), head=True))


def described(run: RunFolder) -> dict[str, Any]:
    """Return a run as JSON shows it."""
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


class Show(RunsCommand):
    """Show a run: how it ended, its settings, and each metric with its course."""

    options: Options = (option("run", "which run (default: the latest)", nargs="?"), JSON)

    def run(self, args: Args) -> int:
        """Print head, settings and metrics."""
        found = named_run(args.run, args)
        if args.json:
            more = {"environment": found.environment, "summary": found.summary}
            tell(json.dumps(described(found) | more, indent=2))
            return 0
        tell(text.table(_head(found)))
        there = {name: value for name, value in found.config.items() if name != "facts"}
        settings = [(n, text.number(v)) for n, v in flat(there).items() if v not in (None, [], {})]
        if settings:
            tell("\nsettings")
            tell(text.table(settings, indent="  "))
        if found.metrics:
            tell("")
            tell(text.table(_metrics(found), right=(1, 2, 3), head=True))
        return 0


def _head(run):
    """Return rows about the run: its status, times, marks, command and machine."""
    summary, environment = run.summary, run.environment
    error, has_patch = summary.get("error", ""), (run.path / PATCH).is_file()
    epochs = run.place["epoch"]
    stage = f" in the {summary['stage']}" if summary.get("stage") else ""
    rows = [
        ("run", run.path),
        ("status", run.status + stage + (f": {error}" if error else "")),
        ("stopped", summary.get("stopped") or ""),
        ("started", summary.get("started", "")),
        ("took", f"{text.took(run.place['time'])}, {epochs} epoch{'s' * (epochs != 1)}"),
        *resource_texts(run.resources),
        ("resumed", ", ".join(r["time"] for r in summary.get("resumed", []))),
        ("tags", " ".join(run.tags)),
        ("note", run.note),
        ("command", " ".join(map(str, environment.get("command", [])))),
        *machine_rows(environment),
        ("", f"what was not committed: {run.path / PATCH}" if has_patch else ""),
        ("", f"what it printed: {run.path / LOG}" if (run.path / LOG).is_file() else ""),
    ]
    by_command = not run.by_script  # others are resumed by their script
    if run.status not in ("finished", "running") and run.resumable and by_command:
        rows.append(("resume", f"firstlight fit --config {run.path} --resume {run.path}"))
    return [(name, value) for name, value in rows if str(value).strip()]


def _metrics(run):
    """Return rows with the last and best value of each metric, and its course."""
    rows = [("metric", "last", "best", "epoch", "course")]
    for name, last in run.metrics.items():
        best = epoch = course = ""
        if name in run.history:
            if name.startswith(("train_", "val_")) and run.history.direction(name):
                record = run.history.best(name)
                best, epoch = text.number(record[name]), record["epoch"]
            course = text.sparkline(run.history[name], 30)
        rows.append((name, text.number(last), best, epoch, course))
    return rows
