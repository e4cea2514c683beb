"""``firstlight runs plot``: curves of several runs, as a picture or on the terminal."""

from pathlib import Path

from firstlight.runs.compare import short_labels
from firstlight.support import files
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.errors import UsageError, nearest
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Plot metrics of runs over each other: into a file with -o, else as lines on the terminal."""
USAGE = "-m NAME,... RUN ... [-x step|epoch|time] [--smooth 0.6] [--log] [-o FILE]"
KINDS = (".png", ".svg", ".pdf")
AXES = {"step": "step", "epoch": "epoch", "time": "time (s)"}


def run(command, words):
    """Plot; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, USAGE, many=True)
    add = parser.add_argument
    add("-m", "--metric", metavar="NAME,...", default="val_loss", help="(default: val_loss)")
    add("-x", "--axis", choices=AXES, default="epoch", help="(default: epoch)")
    add("--smooth", type=float, default=0.0, help="weight of what came before, 0 ... 1")
    add("--log", action="store_true", help="logarithmic values")
    add("-o", "--output", metavar="FILE", help="a .png, .svg or .pdf file")
    own = parser.parse_args(words)
    if own.output and Path(own.output).suffix not in KINDS:
        raise UsageError(f"-o: expected a file that ends in {', '.join(KINDS)}, got {own.output}")
    if not 0 <= own.smooth < 1:
        raise UsageError(f"--smooth: expected a weight from 0 to below 1, got {own.smooth}")
    found = runs.chosen(own)
    panels = {name: curves(name, found, own.axis) for name in own.metric.split(",")}
    if own.output is None:
        tell("\n\n".join(drawn(name, lines, own.smooth) for name, lines in panels.items()))
        return 0
    from firstlight.tools.figures import overlay, save

    figure = overlay(panels, x_label=AXES[own.axis], smoothing=own.smooth, log=own.log)
    save(figure, files.made_room(own.output))
    tell(own.output)
    return 0


def curves(name, found, axis):
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
    lines = {}
    for run, label in having:
        if axis == "epoch":
            lines[label] = along_epochs(run.history, name)
            continue
        lines[label] = run.history.at(name, axis), run.history[name]
    return lines


def drawn(name, lines, smooth):
    """Return the curves of a metric as text."""
    from firstlight.runs.history import History
    from firstlight.tools.figures import smoothed

    rows = [[name, "", "first", "last", "best"]]
    for label, (_, y) in lines.items():
        history = History([{name: value} for value in y])
        best = text.number(history.best(name)[name]) if history.direction(name) else ""
        bars = text.sparkline(list(smoothed(y, smooth)))
        rows.append([label, bars, *map(text.number, (y[0], y[-1])), best])
    return text.table(rows, right=(2, 3, 4))
