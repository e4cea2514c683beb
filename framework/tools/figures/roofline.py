"""The figure of a roofline: what bounds the time of each layer, and the time that it took."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import entitle, panels, plain, tidy
from firstlight.tools.figures.style import BLUE, GRAY, PURPLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (VERMILION, BLUE, GRAY, PURPLE)
ROW = 0.26  # inches of a layer


def layer_times(
    layers: Sequence[str],
    bounds: Mapping[str, Mapping[str, Array]],
    measured: Mapping[str, Array],
    *,
    title: str = "",
) -> "Figure":
    """Show the predicted time of each layer, a panel for each machine, and measured times as marks.

    Each bound is a dot; the largest one of a layer is its predicted time, and its dot is large.
    This is the model of Williams, Waterman and Patterson, "Roofline: an insightful visual
    performance model" (2009), with time in place of speed.

    Parameters
    ----------
    layers : list of str
        Their names, from the top downwards.
    bounds : dict of str to dict of str to array, shape (L,)
        For each panel the least times by cause in µs, such as ``{"launches": ..., "memory": ...}``.
    measured : dict of str to array, shape (L,)
        Times in µs; a panel may have none.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Not as many times as layers, or measured times of no panel.

    Examples
    --------
    >>> from firstlight.tools.figures import layer_times
    >>> bounds = {"CPU": {"launches": [1, 1], "memory": [0.5, 3]}}
    >>> figure = layer_times(["Linear", "ReLU"], bounds, {"CPU": [1.2, 2.5]})
    """
    if unknown := set(measured) - set(bounds):
        raise ValueError(
            f"layer_times: measured times of {sorted(unknown)}, which have no bounds; "
            f"expected some of {list(bounds)}"
        )
    causes = list(dict.fromkeys(cause for times in bounds.values() for cause in times))
    colours = dict(zip(causes, COLOURS, strict=False))
    size = (3.0, ROW * len(layers) + 0.6)
    figure, axes_of = panels(len(bounds), 2, size, title, margin=(0.8, 0.3), sharey=True)
    rows = np.arange(len(layers))
    for axes, (panel, times) in zip(axes_of, bounds.items(), strict=True):
        table = np.array([_times(layers, panel, cause, t) for cause, t in times.items()])
        largest = table.argmax(axis=0)
        for index, cause in enumerate(times):
            areas = np.where(largest == index, 55, 8)
            axes.scatter(table[index], rows, areas, colours[cause], label=cause)
        if panel in measured:
            marks = _times(layers, panel, "measured", measured[panel])
            axes.scatter(marks, rows, 22, "black", marker="D", label="measured")
        axes.set_xscale("log")
        axes.set_yticks(rows, map(plain, layers))
        entitle(axes, panel)
        axes.set_xlabel("µs", fontsize=8)
        tidy(axes, letters=8)
    axes_of[0].invert_yaxis()
    marks = {}  # by label, of all panels
    for axes in axes_of:
        marks |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    place = {"loc": "outside lower center", "ncols": 5, "fontsize": 8, "frameon": False}
    figure.legend(marks.values(), marks, **place)
    return figure


def _times(layers: Sequence[str], panel: str, cause: str, times: Array) -> Array:
    times = np.asarray(times, dtype=float)
    if times.shape != (len(layers),):
        raise ValueError(
            f"layer_times: expected {len(layers)} times of {cause!r} in {panel!r}, one a layer, "
            f"got shape {times.shape}"
        )
    return times
