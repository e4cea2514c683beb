"""``firstlight runs compare``, ``diff`` and ``diverge``: the differences of runs."""

import dataclasses
import json
import statistics
from typing import Any

from firstlight.checkpoints.fingerprints import first_difference, read_fingerprints
from firstlight.runs import compare, sources
from firstlight.support.files import strict
from firstlight.tools import significance
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, Args, Options, option
from firstlight.tools.cli.commands.runs import RUNS, RunsCommand, chosen_runs, named_run
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell

SIDE_BY_SIDE = 4  # runs up to which each has a column
PAIR: Options = (option("run", "the two runs", nargs=2, metavar="RUN"), JSON)
SHOWN = 8  # names of parameters


class Compare(RunsCommand):
    """Compare runs: the settings in which they differ, and their results. A * marks the best.

    Test results have 95 % intervals, and a sentence says whether the data show that the first is
    better than the others, or worse. Runs that differ in the seed only are one setting.
    """

    options: Options = (
        *RUNS,
        option("--metrics NAME,...", "metrics to compare (default: losses and scores)"),
        option("--which", "value of each metric to compare", "best", choices=compare.WHICH),
        option("--all", "show settings that do not differ, too", False),
        JSON,
    )

    def run(self, args: Args) -> int:
        """Print the comparison."""
        found = chosen_runs(args, least=2)
        differing = compare.differences(found, everything=args.all)
        try:
            names = args.metrics.split(",") if args.metrics else None
            results = compare.results(found, args.which, names)
        except KeyError as error:
            raise UsageError(error.args[0]) from error
        groups = significance.groups(found)
        evidence = significance.Significance(groups)
        intervals = {
            name: [evidence.interval(name, [run]) if name in run.metrics else None for run in found]
            for name in results
            if name.startswith("test_")
        }
        verdicts = evidence.verdicts(results, every=names is not None)
        if args.json:
            told: dict[str, Any] = {"runs": [run.label for run in found]}
            told |= {"settings": differing, "results": results, "intervals": intervals}
            told["verdicts"] = [
                {
                    **dataclasses.asdict(verdict),
                    "better": verdict.better,
                    "text": verdict.sentence(),
                }
                for verdict in verdicts
            ]
            tell(json.dumps(strict(told)))
            return 0
        if not differing:
            tell("the settings are the same")
        tell(text.table(_compared(found, differing, results, intervals, args.which), head=True))
        for line in [*_means(evidence, results), *(verdict.sentence() for verdict in verdicts)]:
            tell(f"\n{line}")
        for run in evidence.without() if intervals else ():
            known = not run.by_script or (run.path / sources.FOLDER / sources.RECORD).is_file()
            tell(
                f"{run.label} keeps no results of single test samples, so it has no intervals; "
                + (f"firstlight test {run.label} writes them" if known else "train again")
            )
        return 0


def _means(evidence, results):
    """Yield a line with the mean over seeds, and its interval, for each setting with several."""
    for group in evidence.groups:
        found = []
        for name in results:
            known = len(group.runs) > 1 and all(name in run.metrics for run in group.runs)
            interval = evidence.interval(name, group.runs) if known else None
            if interval:
                mean = statistics.fmean(run.value(name) for run in group.runs)
                found.append(f"{name} {text.number(mean)} ({_range(interval)})")
        if found:
            yield f"{group.label}, mean of {len(group.runs)} seeds: {', '.join(found)}"


def _range(interval):
    return "" if interval is None else " to ".join(map(text.number, interval))


def _compared(found, differing, results, intervals, which):
    """Return the rows of the comparison: each run is a column, or, of many, a row."""
    marks = {name: [text.number(value) for value in values] for name, values in results.items()}
    for name, values in results.items():
        best = compare.best_indices(name, values, which)
        if len(best) < sum(v is not None for v in values):
            marks[name] = [t + " *" * (i in best) for i, t in enumerate(marks[name])]
    titles = {name: f"{which} {name}" * (name[:5] != "test_") or name for name in results}
    cells = {n: [text.brief(text.number(v)) for v in values] for n, values in differing.items()}
    status = [run.status for run in found]
    if set(status) != {"finished"}:
        cells = {"status": status, **cells}
    for name, values in marks.items():
        cells[titles[name]] = values
        if len(found) <= SIDE_BY_SIDE and any(intervals.get(name, ())):
            cells[f"  {name} 95 %"] = list(map(_range, intervals[name]))
    labels = compare.short_names(found)
    if len(found) <= SIDE_BY_SIDE:
        return [["", *labels], *([name, *values] for name, values in cells.items())]
    return [["run", *cells], *zip(labels, *cells.values(), strict=True)]


class Diff(RunsCommand):
    """Show how run B differs from run A: settings, machine and packages, and code, as a diff of the
    commits and of what was not committed.
    """

    options: Options = PAIR

    def run(self, args: Args) -> int:
        """Print the differences."""
        a, b = (named_run(name, args) for name in args.run)
        found = {
            "settings": compare.settings_changed(a, b),
            "environment": compare.environment_changed(a, b),
            "code": compare.code_changed(a, b),
        }
        if args.json:
            tell(json.dumps(strict({"runs": [a.label, b.label]} | found), indent=2))
            return 0
        tell(f"--- {a.label}\n+++ {b.label}")
        for title, changes in found.items():
            tell(f"\n{title}:{'' if changes else ' the same'}")
            if changes and title == "code":
                tell("\n".join(changes))
            elif changes:
                pairs = ((name, *map(text.number, pair)) for name, pair in changes.items())
                rows = [(name, before, "->", after) for name, before, after in pairs]
                tell(text.table(rows, indent="  "))
        return 0


class Diverge(RunsCommand):
    """Find the first step, and the parameters, in which two runs differ that should be the same.

    Both must have been trained with --callback fingerprints. The exit code is 0 if they agree, 1
    if they differ.
    """

    options: Options = PAIR

    def run(self, args: Args) -> int:
        """Print where they differ."""
        a, b = (named_run(name, args) for name in args.run)
        with usage_errors(kinds=(FileNotFoundError, ValueError)):
            first, second = read_fingerprints(a.path), read_fingerprints(b.path)
        common = sorted(first.keys() & second.keys())
        if not common:
            raise UsageError(
                "the two runs have no step in common; train both with the same interval"
            )
        found = first_difference(first, second)
        if args.json:
            step, names = found or (None, [])
            tell(json.dumps({"steps": common, "diverges_at": step, "parameters": names}))
        else:
            tell(_diverged(common, found, total=len(first[common[0]])))
        return 1 if found else 0


def _diverged(common, found, total):
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
