"""Figures of curve fitting: fitted curves, errors, coefficients, and how fits scatter."""

import numpy as np

from firstlight.tools.figures.canvas import page

TRUTH = "tab:green"


def fitted_curves(x, t, grid, curves, titles, *, truth=None, columns=4, title=""):
    """Show fitted curves, each in a panel of its own, with the points they were fitted to.

    Parameters
    ----------
    x, t : array, shape (N,)
        The points.
    grid : array, shape (G,)
        Where the curves are drawn.
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
    columns = min(columns, len(curves))
    rows = -(-len(curves) // columns)
    figure = page(2.6 * columns, 2.2 * rows, title)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # A wild curve leaves the panel rather than flattening all others.
    seen = np.concatenate([np.ravel(t), np.ravel(truth) if truth is not None else []])
    margin = 0.4 * (np.ptp(seen) or 1.0)
    for index, axes in enumerate(panels.flat):
        if index >= len(curves):
            axes.set_axis_off()
            continue
        if truth is not None:
            axes.plot(grid, truth, color=TRUTH, lw=1.2, label="truth")
        axes.plot(grid, curves[index], color="tab:red", lw=1.6, label="fit")
        axes.plot(x, t, "o", mfc="none", mec="tab:blue", ms=5, label="data")
        axes.set_title(titles[index], fontsize=10)
        axes.set_ylim(seen.min() - margin, seen.max() + margin)
        _plain(axes)
    panels.flat[0].legend(fontsize=8, frameon=False)
    return figure


def error_curves(values, errors, *, xlabel, ylabel="$E_{RMS}$", best=None, log=False, title=""):
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
    figure = page(5.2, 3.4, title)
    axes = figure.add_subplot()
    for name, error in errors.items():
        if np.shape(error) != np.shape(values):
            raise ValueError(
                f"error_curves: expected {np.shape(values)} errors for {name!r}, as there are "
                f"values, got {np.shape(error)}"
            )
        axes.plot(values, error, "o-", ms=4, lw=1.5, label=name)
    if best is not None:
        axes.axvline(best, color="0.5", ls=":", label=f"best: {best:g}")
    if log:
        axes.set_yscale("log")
    else:
        # Beyond what is worth reading, a curve leaves the picture.
        finite = np.concatenate([np.ravel(error) for error in errors.values()])
        axes.set_ylim(0, min(finite.max() * 1.05, np.median(finite) * 4) or None)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize=9, frameon=False)
    _plain(axes)
    return figure


def coefficients(weights, titles, *, title=""):
    """Show the coefficients of several fits, each a panel of bars on a scale of decades.

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
    figure = page(2.4 * len(weights), 2.6, title)
    panels = figure.subplots(1, len(weights), sharey=True, squeeze=False)[0]
    for axes, w, name in zip(panels, weights, titles, strict=True):
        colours = ["tab:blue" if value >= 0 else "tab:red" for value in w]
        axes.bar(range(len(w)), w, color=colours)
        axes.axhline(0, color="black", lw=0.8)
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("power of x")
        axes.set_xlim(-0.7, max(len(w), 4) - 0.3)
        axes.set_xticks(range(0, max(len(w), 2), 1 if len(w) < 8 else 3))
        _plain(axes)
    panels[0].set_ylabel("coefficient")
    low, high = panels[0].get_ylim()
    decades = int(np.ceil(np.log10(max(-low, high, 10))))
    step = max(1, decades // 3)
    ticks = [10.0**power for power in range(step, decades + 1, step)]
    panels[0].set_yticks([-tick for tick in ticks[::-1]] + [0] + ticks)
    return figure


def spread(grid, predictions, titles, *, truth, columns=3, shown=20, title=""):
    """Show how fits to different noise scatter (variance), and where their mean lies (bias).

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
        Fits that are drawn; the mean is that of all.
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
    columns = min(columns, len(predictions))
    rows = -(-len(predictions) // columns)
    figure = page(3.0 * columns, 2.4 * rows, title)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    margin = 0.5 * (np.ptp(truth) or 1.0)
    for axes, curves, name in zip(panels, predictions, titles, strict=False):
        curves = np.asarray(curves)
        axes.plot(grid, curves[:shown].T, color="tab:red", lw=0.7, alpha=0.35)
        axes.plot(grid, curves.mean(axis=0), color="tab:red", lw=2, label="mean of the fits")
        axes.plot(grid, truth, color=TRUTH, lw=2, ls="--", label="truth")
        axes.set_title(name, fontsize=10)
        axes.set_ylim(np.min(truth) - margin, np.max(truth) + margin)
        _plain(axes)
    for axes in panels[len(predictions) :]:
        axes.set_axis_off()
    panels[0].legend(fontsize=8, frameon=False)
    return figure


def _plain(axes):
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
