"""Curves of several runs in one figure, smoothed or as the mean and spread over seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import page, plain, tidy
from firstlight.tools.figures.style import series, widest
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[Sequence[float], Sequence[float]]  # x and y

LABELLED = 12  # with more curves they have no names, and colours by their order
WIDE = 8.0  # inches, from which the names of curves have room beside them


def smoothed(values: Sequence[float], weight: float) -> Array:
    """Return values smoothed as in TensorBoard: an exponential moving average.

    Parameters
    ----------
    values : array, shape (N,)
        Values that are not finite are left out, and stay as they are.
    weight : float
        Of the values before, from 0 (no smoothing) to below 1.

    Returns
    -------
    array, shape (N,)
        s_t / (1 - wᵗ) with s_t = w s_{t-1} + (1 - w) v_t: without a bias to zero at the start.

    Raises
    ------
    ValueError
        A weight outside of 0 ... 1.

    Examples
    --------
    >>> from firstlight.tools.figures import smoothed
    >>> smoothed([1.0, 3.0, 3.0], 0.5).round(3).tolist()
    [1.0, 2.333, 2.714]
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing: expected a weight from 0 to below 1, got {weight}")
    values = np.asarray(values, dtype=float)
    result, total, seen = values.copy(), 0.0, 0
    for index in np.flatnonzero(np.isfinite(values)):
        total, seen = weight * total + (1 - weight) * values[index], seen + 1
        result[index] = total / (1 - weight**seen)
    return result


def overlay(
    panels: Mapping[str, Mapping[str, Curve]],
    *,
    x_label: str = "step",
    smoothing: float = 0.0,
    log: bool = False,
    title: str = "",
) -> "Figure":
    """Draw curves of several runs over each other, a panel for each metric.

    Parameters
    ----------
    panels : dict of str to dict of str to (x, y)
        By metric, by run: arrays of shape (N,).
    x_label : str
    smoothing : float
        See `smoothed`; the unsmoothed curves are drawn pale behind.
    log : bool
        Logarithmic values.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There are no curves.

    Examples
    --------
    >>> from firstlight.tools.figures import overlay
    >>> curves = {"narrow": ([1, 2, 3], [0.9, 0.5, 0.4]), "wide": ([1, 2, 3], [0.8, 0.4, 0.2])}
    >>> figure = overlay({"val_loss": curves}, x_label="epoch")
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    if not names:
        raise ValueError("overlay: expected at least one curve, got none")
    few = len(names) <= LABELLED
    look = _looks(names)
    figure, grid = _panels(panels, names if few else (), x_label, log, title)
    for axes, curves in zip(grid, panels.values(), strict=True):
        for name, (x, y) in curves.items():
            colour, line = look[name]
            style = {"color": colour, "linestyle": line, "linewidth": 1.6 if few else 0.9}
            if len(x) == 1:
                style["marker"] = "o"
            if smoothing:
                axes.plot(x, y, color=colour, linewidth=0.8, alpha=0.25)
            axes.plot(x, smoothed(y, smoothing), label=plain(name), **style)
    if not few:
        order = say("{count} runs: dark the first, light the last").format(count=len(names))
        grid[-1].set_xlabel(f"{say(x_label)}\n{order}")
    _finish(figure, grid, names if few else (), log)
    return figure


def bands(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]],
    *,
    x_label: str = "epoch",
    log: bool = False,
    title: str = "",
) -> "Figure":
    """Draw the mean over the seeds of each setting, within a band of one standard deviation.

    Parameters
    ----------
    panels : dict of str to dict of str to list of (x, y)
        By metric, by setting: the curves of its seeds, arrays of shape (N,). Where only one of them
        has a value there is no band, such as after the end of shorter trainings.
    x_label : str
    log : bool
        Logarithmic values; the band does not go below the smallest value.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There are no curves, or x and y of one differ in length.

    Examples
    --------
    >>> from firstlight.tools.figures import bands
    >>> seeds = [([1, 2, 3], [0.9, 0.5, 0.4]), ([1, 2, 3], [0.8, 0.6, 0.3])]
    >>> figure = bands({"val_loss": {"mlp": seeds}})
    """
    names = list(dict.fromkeys(name for settings in panels.values() for name in settings))
    if not names or not all(runs for settings in panels.values() for runs in settings.values()):
        raise ValueError("bands: expected at least one curve of each setting, got none")
    look = _looks(names)
    figure, grid = _panels(panels, names, x_label, log, title)
    for axes, (metric, settings) in zip(grid, panels.items(), strict=True):
        tables = {}
        for name, runs in settings.items():
            x, mean, std, seeds = _over_seeds(name, runs)
            colour, line = look[name]
            low = mean - std
            if log:
                low = np.maximum(low, min(np.min(y) for _, y in runs))
            axes.fill_between(x, low, mean + std, color=colour, alpha=0.2, linewidth=0)
            count = " " + say("({count} seeds)").format(count=len(runs)) if len(runs) > 1 else ""
            axes.plot(x, mean, color=colour, linestyle=line, lw=1.6, label=plain(name) + count)
            tables[name] = {x_label: x, "mean": mean, "std": std, "seeds": seeds}
        keep_numbers(figure, metric, _stacked(tables))
    _finish(figure, grid, names, log)
    return figure


def _over_seeds(name, runs):
    """Return the x that any run has, mean, standard deviation (NaN of one) and number of values."""
    for x, y in runs:
        if len(x) != len(y):
            raise ValueError(f"bands: expected as many y as x for {name}, got {len(y)}, {len(x)}")
    values = {}
    for x, y in runs:
        for place, value in zip(x, y, strict=True):
            values.setdefault(place, []).append(value)
    x = sorted(values)
    mean = np.array([np.mean(values[place]) for place in x])
    std = [np.std(values[p], ddof=1) if len(values[p]) > 1 else np.nan for p in x]
    return np.array(x), mean, np.array(std), np.array([len(values[place]) for place in x])


def _stacked(tables):
    """Return one table of those of several curves, with a column of their names."""
    names = [np.full(len(next(iter(t.values()))), name, object) for name, t in tables.items()]
    columns = zip(*(table.values() for table in tables.values()), strict=True)
    heads = ("curve", *next(iter(tables.values())))
    return dict(zip(heads, map(np.concatenate, [names, *columns]), strict=True))


def _looks(names):
    """Return ``{name: (colour, line style)}``; of many, colours by their order."""
    from matplotlib import colormaps

    if len(names) <= LABELLED:
        return {name: series(index) for index, name in enumerate(names)}
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(names)))
    return {name: (colour, "-") for name, colour in zip(names, colours, strict=True)}


def _panels(panels, labelled, x_label, log, title):
    """Return a figure and the axes of its panels, one below the other."""
    from matplotlib.ticker import MaxNLocator

    beside = len(labelled) > 1 and widest() > WIDE
    width = 6.4 + (0.4 + 0.085 * max(map(len, labelled))) * beside if labelled else 6.4
    below = 0.0 if beside else 0.2 * len(labelled) * (len(labelled) > 1)
    figure = page(width, 3.4 * len(panels) + (below if labelled else 0.3), title)
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    for axes, metric in zip(grid, panels, strict=True):
        axes.set_ylabel(plain(metric))
        tidy(axes)
        if log:
            axes.set_yscale("log")
        if x_label != "time (s)":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1].set_xlabel(say(x_label))
    return figure, grid


def _finish(figure, grid, labelled, log):
    """Add the names of the curves, and the ticks of logarithmic axes."""
    for axes in grid if log else ():
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = axes.get_ylim()
        narrow = high < 30 * low  # so that powers of ten alone would be too few
        axes.yaxis.set_minor_formatter(
            lambda value, _, narrow=narrow: f"{value:g}" if narrow and _marked(value) else ""
        )
    handles = {}
    for axes in grid:
        lines, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    if len(labelled) > 1:
        place = "outside right upper" if widest() > WIDE else "outside lower center"
        figure.legend(handles.values(), handles, loc=place, frameon=False, fontsize=8)
    elif labelled and not figure.get_suptitle():
        grid[0].set_title(next(iter(handles)), fontsize=10)


def _marked(value):
    """Return whether a value is 2, 3 or 5 times a power of ten."""
    return f"{value:e}"[0] in "235"
