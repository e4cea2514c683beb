"""Learning curves: loss and metrics of one training, learning rate, gradient and time."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.runs.history import History
from firstlight.tools.figures.canvas import entitle, panels, tidy
from firstlight.tools.figures.style import BLUE, CURVES, GRAY, GREEN, VERMILION
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 3.9, 2.7  # inches of one panel
COLOURS = {"train": BLUE, "val": VERMILION, "test": GREEN}
WORDS = {"acc": "accuracy", "lr": "learning rate", "grad_norm": "gradient norm"}
STAGES = {"train": "training", "val": "validation"}


def curves(
    history: History | Iterable[Mapping[str, Any]],
    *,
    shares: Mapping[str, float] | None = None,
    columns: int = 2,
    title: str = "",
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> "Figure":
    """Show loss and metrics of training and validation, learning rate, gradient and time.

    One panel for each of these that was logged; the epoch of the best validation is marked.

    Parameters
    ----------
    history : History, or list of its records
    shares : dict of str to float, optional
        Shares of the time by activity, from `firstlight.callbacks.Throughput`.
    columns : int
        Panels side by side.
    title : str
    size : (float, float)
        Inches of one panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Nothing was logged that could be drawn.

    Examples
    --------
    >>> from firstlight.tools.figures import curves
    >>> records = [{"step": 10 * e, "epoch": e, "time": e, "val_loss": 1 / e} for e in (1, 2, 3)]
    >>> figure = curves(records)
    """
    history = history if isinstance(history, History) else History(history)
    metrics = metrics_of(history)
    rates = [name for name in history if name.startswith("lr/") and "." not in name]
    others = {"lr": rates or ["lr"], "grad_norm": ["grad_norm"]}  # rates: of several optimizers
    drawings = [
        *(partial(_draw_metric, history=history, name=name) for name in metrics),
        *(
            partial(_draw_other, history=history, name=name, curves=names)
            for name, names in others.items()
            if names[0] in history
        ),
        *([partial(_draw_time, shares=shares)] if shares else []),
    ]
    if not drawings:
        raise ValueError("curves: nothing was logged that could be drawn")
    figure, grid = panels(len(drawings), columns, size, title)
    for axes, draw in zip(grid, drawings, strict=True):
        draw(axes)
    return figure


def metrics_of(history: Iterable[str]) -> list[str]:
    """Return the metrics of training and validation, loss first: ``["loss", "acc"]``."""
    found = [
        name.partition("_")[2]
        for name in history
        if name.startswith(("train_", "val_")) and not name.endswith("_step")
    ]
    return sorted(dict.fromkeys(found), key=lambda name: name != "loss")


def along_epochs(history: History, name: str) -> tuple[list[float], list[float]]:
    """Return ``(epochs, values)`` of a name; steps within an epoch are fractions of it."""
    ends, per_epoch = {}, None
    if "epoch_seconds" in history:
        ends = dict(
            zip(history.steps("epoch_seconds"), history.at("epoch_seconds", "epoch"), strict=True)
        )
        whole = [step / epoch for step, epoch in ends.items() if epoch]
        per_epoch = whole[-1] if whole else None
    steps, epochs = history.steps(name), history.at(name, "epoch")
    places = [
        epoch if per_epoch is None or step in ends else step / per_epoch
        for step, epoch in zip(steps, epochs, strict=True)
    ]
    return places, history[name]


def thinned(
    x: Sequence[float], y: Sequence[float], most: int = 4000
) -> tuple[list[float], list[float]]:
    """Return a curve of at most ``most`` points that looks the same: the extremes of each part.

    Examples
    --------
    >>> from firstlight.tools.figures.learning_curves import thinned
    >>> thinned(range(6), [0, 5, 1, 2, -3, 2], most=4)
    ([0, 1, 3, 4], [0, 5, 2, -3])
    """
    if len(y) <= most:
        return list(x), list(y)
    kept = []
    for part in np.array_split(np.arange(len(y)), most // 2):
        values = np.asarray(y[part[0] : part[-1] + 1])
        kept += sorted({part[0] + values.argmin(), part[0] + values.argmax()})
    return [x[index] for index in kept], [y[index] for index in kept]


def _draw_metric(axes, history, name):
    step = f"train_{name}_step"
    if step in history:
        x, y = thinned(*along_epochs(history, step))
        axes.plot(x, y, color=BLUE, alpha=0.25, linewidth=0.8)
    for stage, label in STAGES.items():
        if f"{stage}_{name}" in history:
            x, y = along_epochs(history, f"{stage}_{name}")
            marker = "" if len(x) > 1 else "o"
            axes.plot(x, y, color=COLOURS[stage], label=say(label), linewidth=1.5, marker=marker)
    mode = history.direction(f"val_{name}")
    if mode and f"val_{name}" in history:
        best = history.best(f"val_{name}")
        value = best[f"val_{name}"]
        axes.plot(best["epoch"], value, "o", color=COLOURS["val"], markersize=6, mfc="white")
        up = mode == "min"
        axes.annotate(
            f"{value:.4g}",
            (best["epoch"], value),
            xytext=(0, 9 if up else -9),
            textcoords="offset points",
            ha="center" if best["epoch"] < 0.85 * x[-1] else "right",
            va="bottom" if up else "top",
            fontsize=8,
            color=COLOURS["val"],
        )
    _frame(
        axes,
        WORDS.get(name, name),
        logarithmic=name.endswith("loss") and _spans_decades(axes),
    )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8, frameon=False)


def _draw_other(axes, history, name, curves):
    several = len(curves) > 1
    for curve, colour in zip(curves, CURVES if several else (GRAY,), strict=False):
        x, y = along_epochs(history, curve)
        axes.plot(x, y, color=colour, linewidth=1.2, label=curve.partition("/")[2])
        if len(y) > 1 and min(y) == max(y) > 0 and not several:
            axes.set_ylim(0, 2 * y[0])  # else its rounding errors would be enlarged
    _frame(axes, WORDS[name], logarithmic=name == "grad_norm" and _spans_decades(axes))
    if several:
        axes.set_ylim(bottom=0)
        axes.legend(loc="best", fontsize=8, frameon=False)


def _draw_time(axes, shares):
    shown = sorted(((s, part) for part, s in shares.items() if s >= 0.005), reverse=True)[:8]
    values, parts = zip(*reversed(shown), strict=True)
    bars = axes.barh([say(part) for part in parts], [100 * value for value in values], color=GRAY)
    axes.bar_label(bars, fmt="%.0f %%", fontsize=8, padding=2)
    entitle(axes, say("time"))
    axes.set_xlim(0, 115 * max(values))
    axes.set_xticks([])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _frame(axes, title, logarithmic=False):
    from matplotlib.ticker import MaxNLocator

    entitle(axes, say(title))
    axes.set_xlabel(say("epoch"), fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    tidy(axes, letters=8)
    if logarithmic:
        axes.set_yscale("log")


def _spans_decades(axes):
    """Return whether the values drawn are positive and differ by a factor of 30 or more."""
    values = [value for line in axes.get_lines() for value in line.get_ydata()]
    return min(values) > 0 and max(values) / min(values) >= 30
