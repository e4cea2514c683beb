"""Distributions over time: how the weights or outputs of each layer spread during a training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import entitle, panels, tidy
from firstlight.tools.figures.style import BLUE
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of a normal distribution: the mean, and it ± 0.5, 1 and 1.5 standard deviations.
SHARES = (0.0, 0.067, 0.159, 0.309, 0.5, 0.691, 0.841, 0.933, 1.0)
SHADES = (0.10, 0.25, 0.45, 0.70)  # of the bands, from the whole range to the middle
MOST = 65_536  # values of which the quantiles are computed


def quantiles_of(array: Array) -> Array:
    """Return the quantiles of an array's finite values at `SHARES`, NaN if there are none.

    Of large arrays about 65,000 values at even distances count.
    """
    values = array.reshape(-1)
    values = to_host(values[:: -(-values.size // MOST) or 1]).astype(np.float64)
    values = values[np.isfinite(values)]
    return np.quantile(values, SHARES) if values.size else np.full(len(SHARES), np.nan)


def distributions(
    epochs: Sequence[float],
    quantiles: Mapping[str, Array],
    *,
    x_label: str = "epoch",
    columns: int = 3,
    title: str = "",
) -> "Figure":
    """Show the spread of several arrays over a training, a panel each.

    The line is the median. The bands have 38 %, 68 %, 87 % and all of the values: of a normal
    distribution those within 0.5, 1 and 1.5 standard deviations.

    Parameters
    ----------
    epochs : list of float, length T
    quantiles : dict of str to array, shape (T, 9)
        By name, from `quantiles_of` at each epoch.
    x_label : str
    columns : int
        Panels in a row.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There is nothing to show, or a shape does not fit.
    """
    if not quantiles or len(epochs) == 0:
        raise ValueError("distributions: expected one or more arrays and epochs, got none")
    epochs = np.asarray(epochs, float)
    figure, grid = panels(len(quantiles), columns, (2.7, 1.9), title, sharex=True)
    for axes, (name, given) in zip(grid, quantiles.items(), strict=True):
        values = np.asarray(given, float)
        if values.shape != (len(epochs), len(SHARES)):
            raise ValueError(
                f"distributions: expected quantiles of shape {(len(epochs), len(SHARES))} for "
                f"{name!r}, got {values.shape}"
            )
        for index, shade in enumerate(SHADES):
            low, high = values[:, index], values[:, -1 - index]
            axes.fill_between(epochs, low, high, color=BLUE, alpha=shade, linewidth=0)
        axes.plot(epochs, values[:, len(SHADES)], color="black", linewidth=1)
        entitle(axes, name)
        tidy(axes, letters=8)
        heads = [f"{share:.1%}" for share in SHARES]
        keep_numbers(figure, name, {x_label: epochs, **dict(zip(heads, values.T, strict=True))})
    for axes in grid:
        if axes.get_subplotspec().is_last_row() or len(quantiles) <= columns:
            axes.set_xlabel(say(x_label), fontsize=8)
    return figure
