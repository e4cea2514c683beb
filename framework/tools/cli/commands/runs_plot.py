"""``firstlight runs plot``: curves of several runs, as a picture or on the terminal."""

from collections.abc import Sequence

from firstlight.runs import RunFolder
from firstlight.runs.compare import short_labels
from firstlight.runs.experiments import grouped
from firstlight.support import files
from firstlight.tools.cli import text
from firstlight.tools.cli.command import Args, Options, checked, file_name, option
from firstlight.tools.cli.commands.runs import RUNS, RunsCommand, chosen_runs
from firstlight.tools.cli.errors import UsageError, nearest
from firstlight.tools.cli.text import tell

WEIGHT = checked(float, lambda weight: 0 <= weight < 1, "a weight from 0 to below 1")
AXES = {"step": "step", "epoch": "epoch", "time": "time (s)"}


class Plot(RunsCommand):
    """Plot metrics of runs over each other: into a file with -o, else as lines on the terminal."""

    options: Options = (
        *RUNS,
        option("-m, --metric NAME,...", "metrics to plot", "val_loss"),
        option("-x, --axis", "horizontal axis", "epoch", choices=AXES),
        option(
            "--smooth WEIGHT", "weight of the previous values, from 0 to below 1", 0.0, type=WEIGHT
        ),
        option("--log", "logarithmic scale", False),
        option("--seeds", "runs that differ in the seed only as their mean and deviation", False),
        option("-o, --output FILE", "image file to write", type=file_name(".png", ".svg", ".pdf")),
    )

    def run(self, args: Args) -> int:
        """Plot into a file, or on the terminal."""
        found = chosen_runs(args)
        metrics = args.metric.split(",")
        if args.seeds:
            return self._plot_seeds(args, found, metrics)
        panels = {name: curves(name, found, args.axis) for name in metrics}
        if args.output is None:
            for index, (name, lines) in enumerate(panels.items()):
                tell("\n" * bool(index), end="")
                tell(text.table(_drawn(name, lines, args.smooth), right=(2, 3, 4), head=True))
            return 0
        from firstlight.tools.figures import overlay, save

        x_label = AXES[args.axis]
        figure = overlay(panels, x_label=x_label, smoothing=args.smooth, log=args.log)
        save(figure, files.made_room(args.output))
        tell(args.output)
        return 0

    def _plot_seeds(self, args: Args, found: Sequence[RunFolder], metrics: list[str]) -> int:
        """Plot the mean over the seeds of each setting into a file."""
        from firstlight.tools.figures import bands, save

        if args.output is None:
            raise UsageError("--seeds: expected a file for the picture, e.g. -o curves.svg")
        if args.smooth:
            raise UsageError("--seeds: expected no --smooth, the mean is smooth already")
        groups = grouped(found)
        labels = _setting_labels([group[0] for group in groups])
        panels = {name: {} for name in metrics}
        for name, settings in panels.items():
            curves(name, found, args.axis)  # raises if no run has it
            for group, label in zip(groups, labels, strict=True):
                having = [run for run in group if name in run.history]
                if having:
                    settings[label] = list(curves(name, having, args.axis).values())
        figure = bands(panels, x_label=AXES[args.axis], log=args.log)
        save(figure, files.made_room(args.output))
        tell(args.output)
        return 0


def curves(
    name: str, found: Sequence[RunFolder], axis: str
) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Return ``{run: (x, y)}`` of a metric, of the runs that have it.

    Raises
    ------
    UsageError
        None of them has it, or only as the one number of a test.
    """
    from firstlight.tools.figures.learning_curves import along_epochs

    labelled = zip(found, short_labels(found), strict=True)
    having = [(run, label) for run, label in labelled if name in run.history]
    if not having and any(name in run.metrics for run in found):
        raise UsageError(
            f"-m: {name} is one number a run, no curve; "
            f"see it with: firstlight runs compare --metrics {name} RUN RUN ..."
        )
    if not having:
        there = list(dict.fromkeys(key for run in found for key in run.history))
        hint = nearest(name, there) or f"; there are {', '.join(there)}"
        raise UsageError(f"-m: nothing was logged as {name}{hint if there else ''}")
    if axis == "epoch":
        return {label: along_epochs(run.history, name) for run, label in having}
    return {label: (run.history.at(name, axis), run.history[name]) for run, label in having}


def _setting_labels(runs):
    """Return a label of each setting: the runs' names, or what differs, or ids."""
    labels = short_labels(runs)
    differing = [label.partition("  ")[2].split(" ") for label in labels]
    differing = [" ".join(dict.fromkeys(words)) for words in differing]
    for texts in ([run.name for run in runs], differing):
        if all(texts) and len(set(texts)) == len(texts):
            return texts
    return labels


def _drawn(name, lines, smooth):
    """Return rows with the curves of a metric as lines of bars."""
    from firstlight.runs.history import History
    from firstlight.tools.figures import smoothed

    rows = [[name, "", "first", "last", "best"]]
    for label, (_, y) in lines.items():
        history = History([{name: value} for value in y])
        best = text.number(history.best(name)[name]) if history.direction(name) else ""
        bars = text.sparkline(list(smoothed(y, smooth)))
        rows.append([label, bars, *map(text.number, (y[0], y[-1])), best])
    return rows
