"""``firstlight runs export``: tables for other programs."""

from firstlight.runs import export
from firstlight.support import files
from firstlight.tools.cli import runs
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Write the records of runs as one table, a row for each record; or with --summary a row for each
run: settings, last and best values. As CSV, on the terminal unless -o names a file, or Parquet."""
USAGE = "RUN ... [--summary] [-o FILE]"


def run(command, words):
    """Export; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, USAGE, many=True)
    parser.add_argument("--summary", action="store_true", help="one row for each run")
    parser.add_argument("-o", "--output", metavar="FILE", help="a .csv or .parquet file")
    own = parser.parse_args(words)
    try:
        if own.output is not None:
            export.check(own.output)
    except ValueError as error:
        raise UsageError(f"-o: {error}") from error
    found = runs.chosen(own)
    rows = export.results_table(found) if own.summary else export.records_table(found)
    if own.output is None:
        tell(export.as_csv(rows).replace("\r\n", "\n"), end="")
        return 0
    export.write(rows, files.made_room(own.output))
    tell(f"{own.output}: {len(rows):,} rows of {len(found)} runs")
    return 0
