"""``firstlight runs export``: tables for other programs, and runs for experiment trackers."""

from collections.abc import Callable, Sequence
from typing import Any

from firstlight import plugins
from firstlight.runs import RunFolder, export
from firstlight.support import files
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.commands.runs import RUNS, RunsCommand, chosen_runs
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell

PACKAGES = ("aim", "mlflow", "trackio", "wandb")  # the plugins in examples/trackers


class Export(RunsCommand):
    """Write the records of runs as one table, a row for each record; or with --summary a row for
    each run: settings, last and best values. As CSV, on the terminal unless -o names a file, or
    Parquet. With --to send the runs to an experiment tracker instead.
    """

    options: Options = (
        *RUNS,
        option("--summary", "one row for each run", False),
        option("-o, --output FILE", "a .csv or .parquet file"),
        option("--to TRACKER", "an installed tracker: trackio, wandb, mlflow, aim or another"),
        option("--project NAME", "with --to: project or experiment there (default: firstlight)"),
        option("--again", "with --to: send runs that it already has, as new ones", False),
    )

    def run(self, args: Args) -> int:
        """Write the table, or send the runs."""
        if args.to is not None:
            return _send(chosen_runs(args), _tracker(args), args.again)
        if args.project is not None or args.again:
            raise UsageError("--project and --again need --to TRACKER")
        if args.output is not None:
            with usage_errors("-o: "):
                export.check(args.output)
        found = chosen_runs(args)
        rows = export.results_table(found) if args.summary else export.records_table(found)
        if args.output is None:
            tell(export.as_csv(rows).replace("\r\n", "\n"), end="")
            return 0
        export.write(rows, files.made_room(args.output))
        tell(f"{args.output}: {len(rows):,} rows of {len(found)} runs")
        return 0


def _tracker(args: Args) -> Any:
    """Return the tracker that --to names."""
    if args.summary or args.output is not None:
        raise UsageError("--to sends runs to a tracker; leave out --summary and -o")
    registry, named = plugins.registry("callback"), f"--to {args.to}: "
    if args.to not in registry.names() and ":" not in args.to:
        if args.to in PACKAGES:
            raise UsageError(
                f"{named}its plugin firstlight-{args.to} is not installed; in firstlight's "
                f"repository: pip install ./examples/trackers/{args.to}"
            )
        trackers = [name for name in registry.names() if _exports(registry.get(name))]
        raise UsageError(
            f"{named}no such tracker is installed; there are: {', '.join(trackers) or 'none'}. "
            f"Plugins for {', '.join(PACKAGES)} are in examples/trackers of firstlight's repository"
        )
    with usage_errors(named, (ImportError, plugins.UnknownNameError)):
        kind = registry.get(args.to)
    if not _exports(kind):
        raise UsageError(f"{named}it is no tracker; derive it from firstlight.callbacks.Tracker")
    with usage_errors(named, (TypeError, ValueError)):
        return kind() if args.project is None else kind(project=args.project)


def _exports(kind: Callable[..., Any]) -> bool:
    return callable(getattr(kind, "export", None))


def _send(runs: Sequence[RunFolder], tracker: Any, again: bool) -> int:
    """Send runs to a tracker; return the exit code."""
    for run in runs:
        if run.status == "running":
            tell(f"{run.label}: left out, as it is still running")
        elif (id := tracker.export(run, again=again)) is None:
            tell(f"{run.label}: left out, as it is there: {tracker.id_of(run.path)}")
        else:
            tell(f"{run.label}: sent as {id}")
    return 0
