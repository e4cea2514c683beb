"""``firstlight runs export``: tables for other programs."""

from firstlight.runs import export
from firstlight.support import files
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.commands.runs import RUNS, RunsCommand, chosen_runs
from firstlight.tools.cli.errors import usage_errors
from firstlight.tools.cli.text import tell


class Export(RunsCommand):
    """Write the records of runs as one table, a row for each record; or with --summary a row for
    each run: settings, last and best values. As CSV, on the terminal unless -o names a file, or
    Parquet.
    """

    options: Options = (
        *RUNS,
        option("--summary", "one row for each run", False),
        option("-o, --output FILE", "a .csv or .parquet file"),
    )

    def run(self, args: Args) -> int:
        """Write the table."""
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
