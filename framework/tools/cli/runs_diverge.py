"""``firstlight runs diverge``: where two runs part that should be the same."""

import json

from firstlight.checkpoints.fingerprints import first_difference, read_fingerprints
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.past_run import find
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Find the first step, and the parameters, in which two runs differ that should be the same.

Both must have been trained with --callback fingerprints. The exit code is 0 if they agree, 1 if
they part."""
USAGE = "firstlight runs diverge A B [--json]"
SHOWN = 8  # names of parameters


def run(command, words):
    """Compare two runs; returns the exit code."""
    parser = Parser("runs diverge", DESCRIPTION, usage=USAGE)
    parser.add_argument("runs", nargs="*", help="two folders of runs, or name/id")
    parser.add_argument("--runs_dir", metavar="DIR", default="runs", help="folder of all runs")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    own = parser.parse_args(words)
    if len(own.runs) != 2:
        raise UsageError(f"expected: runs diverge A B; got {' '.join(own.runs) or 'nothing'}")
    folders = [find(name, own.runs_dir) for name in own.runs]
    try:
        one, other = (read_fingerprints(folder) for folder in folders)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error
    common = sorted(one.keys() & other.keys())
    if not common:
        raise UsageError("the two runs have no step in common; train both with the same interval")
    found = first_difference(one, other)
    if own.json:
        step, names = found or (None, [])
        tell(json.dumps({"steps": common, "diverges_at": step, "parameters": names}))
    else:
        tell(told(common, found, total=len(one[common[0]])))
    return 1 if found else 0


def told(common, found, total):
    """Return the outcome as text."""
    if found is None:
        last = common[-1]
        return f"the runs agree at all {len(common)} steps they share, the last is step {last}"
    step, names = found
    before = [s for s in common if s < step]
    since = f"they still agree at step {before[-1]}" if before else "they never agree"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"the runs differ first at step {step}; {since}\n"
        f"{len(names)} of {total} parameters and buffers differ: {', '.join(names[:SHOWN])}{more}"
    )
