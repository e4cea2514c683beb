"""``firstlight runs compare``: what differs between runs, and what came of it."""

import json

from firstlight.runs import compare
from firstlight.support.files import strict
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Compare runs: the settings in which they differ, and their results. A * marks the best."""
USAGE = "RUN RUN ... [--metrics NAME,...] [--which best|min|max|last] [--all] [--json]"
SIDE_BY_SIDE = 4  # runs up to which each has a column


def run(command, words):
    """Print the comparison; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, USAGE, many=True)
    parser.add_argument("--metrics", metavar="NAME,...", help="which (default: losses and scores)")
    text_of_which = "of each metric's values over the epochs (default: best)"
    parser.add_argument("--which", choices=compare.WHICH, default="best", help=text_of_which)
    parser.add_argument("--all", action="store_true", help="also settings that do not differ")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    own = parser.parse_args(words)
    found = runs.chosen(own, least=2)
    differing = compare.differences(found, everything=own.all)
    try:
        names = own.metrics.split(",") if own.metrics else None
        results = compare.results(found, own.which, names)
    except KeyError as error:
        raise UsageError(error.args[0]) from error
    if own.json:
        labels = [run.label for run in found]
        tell(json.dumps(strict({"runs": labels, "settings": differing, "results": results})))
        return 0
    tell(told(found, differing, results, own.which))
    return 0


def told(found, differing, results, which):
    """Return the comparison as text: each run a column, or, of many, a row."""
    marks = {name: [text.number(value) for value in values] for name, values in results.items()}
    for name, values in results.items():
        best = compare.best_indices(name, values, which)
        if len(best) < sum(v is not None for v in values):
            marks[name] = [t + " *" * (i in best) for i, t in enumerate(marks[name])]
    titles = {name: f"{which} {name}" * (name[:5] != "test_") or name for name in results}
    cells = {n: [text.brief(text.number(v)) for v in values] for n, values in differing.items()}
    cells = {"status": [run.status for run in found], **cells}
    cells |= {titles[name]: values for name, values in marks.items()}
    if "status" in cells and set(cells["status"]) == {"finished"}:
        del cells["status"]
    one_name = len({run.name for run in found}) == 1
    labels = [run.id if one_name else run.label for run in found]
    if len(found) <= SIDE_BY_SIDE:
        rows = [["", *labels]]
        rows += [[name, *values] for name, values in cells.items()]
    else:
        rows = [["run", *cells]]
        rows += [[label, *(v[i] for v in cells.values())] for i, label in enumerate(labels)]
    note = "" if differing else "the settings are the same\n"
    return note + text.table(rows)
