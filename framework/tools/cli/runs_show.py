"""``firstlight runs show``: all about one run, on the terminal."""

import json

from firstlight.runs import machine_rows
from firstlight.runs.query import flat
from firstlight.runs.run import PATCH
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.runs_list import described
from firstlight.tools.cli.text import tell

DESCRIPTION = "Show a run: how it ended, its settings, and each metric with its course."


def run(command, words):
    """Print it; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, "[RUN] [--json]")
    parser.add_argument("run", nargs="?", metavar="RUN", help="which run (default: the latest)")
    parser.add_argument("--json", action="store_true", help="show as JSON")
    own = parser.parse_args(words)
    found = runs.one(own.run, own)
    if own.json:
        more = {"environment": found.environment, "summary": found.summary}
        tell(json.dumps(described(found) | more, indent=2))
    else:
        tell("\n\n".join(part for part in (head(found), settings(found), metrics(found)) if part))
    return 0


def head(run):
    """Return what the run is and how it went, as text."""
    summary, environment = run.summary, run.environment
    error, has_patch = summary.get("error", ""), (run.path / PATCH).is_file()
    stage = f" in the {summary['stage']}" if summary.get("stage") else ""
    rows = [
        ("run", run.path),
        ("status", run.status + stage + (f": {error}" if error else "")),
        ("stopped", summary.get("stopped") or ""),
        ("started", summary.get("started", "")),
        ("took", f"{text.took(run.place['time'])}, {run.place['epoch']} epochs"),
        ("resumed", ", ".join(r["time"] for r in summary.get("resumed", []))),
        ("tags", " ".join(run.tags)),
        ("note", run.note),
        ("command", " ".join(map(str, environment.get("command", [])))),
        *machine_rows(environment),
        ("", f"what was not committed: {run.path / PATCH}" if has_patch else ""),
    ]
    by_command = isinstance(run.config.get("model"), dict)  # others go on in their script
    if run.status not in ("finished", "running") and run.resumable and by_command:
        rows.append(("go on", f"firstlight fit --config {run.path} --resume {run.path}"))
    return text.table([(name, value) for name, value in rows if str(value).strip()])


def settings(run):
    """Return the settings as text, without what is not set and what the data tell."""
    there = {n: v for n, v in run.config.items() if n != "facts"}
    rows = [(n, text.number(v)) for n, v in flat(there).items() if v not in (None, [], {})]
    return "settings\n" + text.table(rows, indent="  ") if rows else ""


def metrics(run):
    """Return each metric's last and best value and its course as text."""
    rows = [("metric", "last", "best", "epoch", "course")]
    for name, last in run.metrics.items():
        best = epoch = course = ""
        if name in run.history:
            if name.startswith(("train_", "val_")) and run.history.direction(name):
                record = run.history.best(name)
                best, epoch = text.number(record[name]), record["epoch"]
            course = text.sparkline(run.history[name], 30)
        rows.append((name, text.number(last), best, epoch, course))
    return text.table(rows, right=(1, 2, 3)) if len(rows) > 1 else ""
