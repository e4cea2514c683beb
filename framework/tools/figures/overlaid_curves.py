"""Curves of several runs in one figure, optionally smoothed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import page, plain, tidy
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[Sequence[float], Sequence[float]]  # x and y

LABELLED = 12  # with more curves they have no names, and colours by their order


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
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    if not names:
        raise ValueError("overlay: expected at least one curve, got none")
    few = len(names) <= LABELLED
    colours = [
        colormaps["tab10" if len(names) <= 10 else "tab20"](i)
        if few
        else colormaps["viridis"](i / (len(names) - 1))
        for i in range(len(names))
    ]
    colour = dict(zip(names, colours, strict=True))
    longest = max(map(len, names))
    beside = few and len(names) > 1
    width = 6.4 + (0.4 + 0.085 * longest) * beside
    figure = page(width, 3.4 * len(panels) + 0.3 * (not few), title)
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (metric, curves) in zip(grid, panels.items(), strict=True):
        for name, (x, y) in curves.items():
            style = {"color": colour[name], "linewidth": 1.6 if few else 0.9}
            if len(x) == 1:
                style["marker"] = "o"
            if smoothing:
                axes.plot(x, y, color=colour[name], linewidth=0.8, alpha=0.25)
            axes.plot(x, smoothed(y, smoothing), label=plain(name), **style)
        axes.set_ylabel(plain(metric))
        tidy(axes)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            low, high = axes.get_ylim()
            narrow = high < 30 * low  # so that powers of ten alone would be too few
            axes.yaxis.set_minor_formatter(
                lambda value, _, narrow=narrow: f"{value:g}" if narrow and _marked(value) else ""
            )
        if x_label != "time (s)":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[-1].set_xlabel(say(x_label))
    if beside:
        handles = {}
        for axes in grid:
            lines, labels = axes.get_legend_handles_labels()
            handles |= dict(zip(labels, lines, strict=True))
        figure.legend(
            handles.values(), handles, loc="outside right upper", frameon=False, fontsize=8
        )
    elif not few:
        order = say("{count} runs: dark the first, light the last").format(count=len(names))
        grid[-1].set_xlabel(f"{say(x_label)}\n{order}")
    elif not title:
        grid[0].set_title(plain(names[0]), fontsize=10)
    return figure


def _marked(value):
    """Return whether a value is 2, 3 or 5 times a power of ten."""
    return f"{value:e}"[0] in "235"
