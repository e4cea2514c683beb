"""histograms: how the values of each parameter are spread."""

import numpy as np

from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import page, plain


def histograms(arrays, *, columns=4, bins=64, title=""):
    """Show a histogram of each array's finite values.

    Parameters
    ----------
    arrays : dict of str to array
        E.g. a module's ``state_dict()``.
    columns : int
    bins : int
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There is nothing to show.
    """
    if not arrays:
        raise ValueError("histograms: expected one or more arrays, got none")
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = page(columns * 2.1, rows * 1.35, title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(arrays) :]:
        axes.set_visible(False)
    for axes, (name, array) in zip(grid.flat, arrays.items(), strict=False):
        values = np.asarray(to_host(array)).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        counts, edges = np.histogram(values, bins=min(bins, max(8, values.size // 4)))
        axes.stairs(counts, edges, fill=True, color="tab:blue", alpha=0.8)
        axes.axvline(0, color="black", linewidth=0.6, alpha=0.5)
        axes.set_title(plain(name), fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
