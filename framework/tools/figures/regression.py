"""Figures of regression: predictions, fitted curves, errors, coefficients, bias and variance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import entitle, page, panels, tidy
from firstlight.tools.figures.style import BLUE, GRAY, GREEN, VERMILION, series
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALE = 0.25
TRUTH = {"color": GREEN, "ls": "--"}


def predictions(x: Array, target: Array, predicted: Array, *, title: str = "") -> "Figure":
    """Show predictions: over x if that is one number, else against the targets.

    Parameters
    ----------
    x : array, shape (N, ...)
    target, predicted : array, shape (N,) or (N, 1)

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Not as many targets and predictions as inputs, or several for each.
    """
    x, target, predicted = (np.asarray(array) for array in (x, target, predicted))
    if not len(x) == target.size == predicted.size or not len(x):
        raise ValueError(
            f"predictions: expected one target and one prediction for each of {len(x)} inputs, "
            f"got shapes {target.shape} and {predicted.shape}"
        )
    target, predicted = target.ravel(), predicted.ravel()
    figure = page(4.6, 3.2, title)
    axes = figure.add_subplot()
    if x.size == len(x):
        order = np.argsort(x.ravel())
        axes.plot(x.ravel(), target, "o", color=BLUE, markersize=3, label=say("data"))
        axes.plot(x.ravel()[order], predicted[order], color=VERMILION, label=say("prediction"))
        axes.set(xlabel="x", ylabel="y")
        axes.legend(loc="best", fontsize=8, frameon=False)
    else:
        ends = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
        axes.plot(ends, ends, color=GRAY, linewidth=0.8)
        axes.plot(target, predicted, "o", color=BLUE, markersize=3, alpha=0.6)
        axes.set(xlabel=say("target"), ylabel=say("prediction"))
    tidy(axes)
    return figure


def fitted_curves(
    x: Array,
    t: Array,
    grid: Array,
    curves: Array,
    titles: Sequence[str],
    *,
    truth: Array | None = None,
    columns: int = 4,
    title: str = "",
) -> "Figure":
    """Show fitted curves, each in a panel of its own, with the points they were fitted to.

    Parameters
    ----------
    x, t : array, shape (N,)
        The points.
    grid : array, shape (G,)
        The x of the curves.
    curves : array, shape (K, G)
    titles : list of str
        One for each curve.
    truth : array, shape (G,), optional
        The function without noise.
    columns : int
        Panels in a row.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        No curves, curves that do not fit the grid, or not as many titles.
    """
    curves = np.asarray(curves)
    if curves.ndim != 2 or len(curves) == 0 or curves.shape[1] != len(grid):
        raise ValueError(
            f"fitted_curves: expected curves of shape (K, {len(grid)}), a row for each on the "
            f"grid, got {curves.shape}"
        )
    if len(titles) != len(curves):
        raise ValueError(
            f"fitted_curves: expected {len(curves)} titles, one a curve, got {len(titles)}"
        )
    figure, axes_of = panels(len(curves), columns, (2.6, 2.2), title, sharex=True, sharey=True)
    # Clip wild curves, which would flatten all others.
    seen = np.concatenate([np.ravel(t), np.ravel(truth) if truth is not None else []])
    margin = 0.4 * (np.ptp(seen) or 1.0)
    for axes, curve, name in zip(axes_of, curves, titles, strict=True):
        if truth is not None:
            axes.plot(grid, truth, **TRUTH, lw=1.2, label="truth")
        axes.plot(grid, curve, color=VERMILION, lw=1.6, label="fit")
        axes.plot(x, t, "o", mfc="none", mec=BLUE, ms=5, label="data")
        entitle(axes, name)
        axes.set_ylim(seen.min() - margin, seen.max() + margin)
        tidy(axes, grid=PALE, letters=8)
    axes_of[0].legend(loc="best", fontsize=8, frameon=False)
    return figure


def error_curves(
    values: Array,
    errors: Mapping[str, Array],
    *,
    xlabel: str,
    ylabel: str = "$E_{RMS}$",
    best: float | None = None,
    log: bool = False,
    title: str = "",
) -> "Figure":
    """Show errors over one setting: the U-curve of a degree or ridge sweep, a learning curve.

    Parameters
    ----------
    values : array, shape (K,)
        The setting, from left to right.
    errors : dict of str to array, shape (K,)
        Curves by name, e.g. ``{"training": ..., "validation": ...}``.
    xlabel, ylabel : str
    best : float, optional
        A value to mark.
    log : bool
        Draw the errors on a logarithmic axis.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        A curve with another number of points than there are values.
    """
    if not errors or not any(np.isfinite(error).any() for error in errors.values()):
        raise ValueError("error_curves: expected one or more curves with finite errors")
    figure = page(5.2, 3.4, title)
    axes = figure.add_subplot()
    for index, (name, error) in enumerate(errors.items()):
        if np.shape(error) != np.shape(values):
            raise ValueError(
                f"error_curves: expected {np.shape(values)} errors for {name!r}, as there are "
                f"values, got {np.shape(error)}"
            )
        colour, line = series(index)
        axes.plot(values, error, line, color=colour, marker="o", ms=4, lw=1.5, label=name)
    if best is not None:
        axes.axvline(best, color="0.5", ls=":", label=f"best: {best:g}")
    if log:
        axes.set_yscale("log")
    else:
        # A curve leaves the figure beyond four times the median error.
        finite = np.concatenate([np.ravel(error) for error in errors.values()])
        finite = finite[np.isfinite(finite)]
        axes.set_ylim(0, min(finite.max() * 1.05, np.median(finite) * 4) or None)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(loc="best", fontsize=9, frameon=False)
    tidy(axes, grid=PALE, letters=8)
    return figure


def coefficients(weights: Sequence[Array], titles: Sequence[str], *, title: str = "") -> "Figure":
    """Show the coefficients of several fits as bars, a panel each, on a logarithmic scale.

    Parameters
    ----------
    weights : list of array
        Of 1, x, …, x^M each.
    titles : list of str
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    if len(weights) == 0 or len(titles) != len(weights):
        raise ValueError(
            f"coefficients: expected one title for each of one or more fits, got {len(titles)} "
            f"titles for {len(weights)} fits"
        )
    figure, axes_of = panels(len(weights), len(weights), (2.4, 2.6), title, sharey=True)
    for axes, w, name in zip(axes_of, weights, titles, strict=True):
        colours = [BLUE if value >= 0 else VERMILION for value in w]
        axes.bar(range(len(w)), w, color=colours)
        axes.axhline(0, color="black", lw=0.8)
        axes.set_yscale("symlog", linthresh=1.0)
        entitle(axes, name)
        axes.set_xlabel("power of x")
        axes.set_xlim(-0.7, max(len(w), 4) - 0.3)
        axes.set_xticks(range(0, max(len(w), 2), 1 if len(w) < 8 else 3))
        tidy(axes, grid=PALE, letters=8)
    axes_of[0].set_ylabel("coefficient")
    low, high = axes_of[0].get_ylim()
    decades = int(np.ceil(np.log10(max(-low, high, 10))))
    step = max(1, decades // 3)
    ticks = [10.0**power for power in range(step, decades + 1, step)]
    axes_of[0].set_yticks([-tick for tick in ticks[::-1]] + [0] + ticks)
    return figure


def spread(
    grid: Array,
    predictions: Sequence[Array],
    titles: Sequence[str],
    *,
    truth: Array,
    columns: int = 3,
    shown: int = 20,
    title: str = "",
) -> "Figure":
    """Show how fits to different noise scatter (variance), and their mean (bias).

    Parameters
    ----------
    grid : array, shape (G,)
    predictions : list of array, shape (L, G)
        One panel each, with the curves of L fits.
    titles : list of str
    truth : array, shape (G,)
    columns : int
        Panels in a row.
    shown : int
        Number of fits that are drawn; the mean is that of all.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    if len(predictions) == 0 or len(titles) != len(predictions):
        raise ValueError(
            f"spread: expected one title for each of one or more panels, got {len(titles)} titles "
            f"for {len(predictions)} panels"
        )
    figure, axes_of = panels(len(titles), columns, (3.0, 2.4), title, sharex=True, sharey=True)
    margin = 0.5 * (np.ptp(truth) or 1.0)
    for axes, curves, name in zip(axes_of, predictions, titles, strict=True):
        curves = np.asarray(curves)
        axes.plot(grid, curves[:shown].T, color=VERMILION, lw=0.7, alpha=0.35)
        axes.plot(grid, curves.mean(axis=0), color=VERMILION, lw=2, label="mean of the fits")
        axes.plot(grid, truth, **TRUTH, lw=2, label="truth")
        entitle(axes, name)
        axes.set_ylim(np.min(truth) - margin, np.max(truth) + margin)
        tidy(axes, grid=PALE, letters=8)
    axes_of[0].legend(loc="best", fontsize=8, frameon=False)
    return figure
