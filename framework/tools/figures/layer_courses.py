"""Courses of all layers in a training: outputs, gradients and updates, from a `LayerMonitor`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from firstlight.runs.history import History
from firstlight.tools.figures.canvas import entitle, panels, plain, tidy
from firstlight.tools.figures.learning_curves import along_epochs, thinned
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (4.2, 2.8)  # inches of one panel
NAMED = 14  # layers in the legend; of more, those at even distances
QUANTITIES = {  # first part of the logged name: title, logarithmic
    "output_mean": ("mean of outputs", False),
    "output_std": ("standard deviation of outputs", True),
    "output_zeros": ("share of zeros in outputs", False),
    "grad_norm": ("gradient norm", True),
    "update_ratio": ("update / weight", True),
}


def layer_courses(
    history: History | Iterable[Mapping[str, Any]],
    *,
    title: str = "",
    size: tuple[float, float] = SIZE,
) -> "Figure":
    """Show what `firstlight.callbacks.LayerMonitor` logged, one line a layer, early layers dark.

    Parameters
    ----------
    history : History, or list of its records
    title : str
    size : (float, float)
        Inches of one panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Nothing was logged by layer.

    Examples
    --------
    >>> from firstlight.tools.figures import layer_courses
    >>> records = [
    ...     {"step": s, "epoch": 1, "time": s, "grad_norm/0": 1 / s, "grad_norm/1": 2 / s}
    ...     for s in (10, 20)
    ... ]
    >>> figure = layer_courses(records)
    """
    from matplotlib.ticker import MaxNLocator

    history = history if isinstance(history, History) else History(history)
    found = {what: _lines(history, what) for what in QUANTITIES}
    zeros = found["output_zeros"].items()  # few layers have any
    found["output_zeros"] = {layer: line for layer, line in zeros if any(line[1])}
    found = {what: lines for what, lines in found.items() if lines}
    if not found:
        raise ValueError(
            "layer_courses: nothing was logged by layer; train with "
            'callbacks=["layer_monitor"], which logs grad_norm/<layer> and more'
        )
    layers = list(dict.fromkeys(layer for lines in found.values() for layer in lines))
    order = {layer: index for index, layer in enumerate(layers)}
    figure, grid = panels(len(found) + 1, 3 if len(found) > 1 else 2, size, title)
    for axes, (what, lines) in zip(grid, found.items(), strict=False):
        words, logarithmic = QUANTITIES[what]
        for layer, (x, y) in lines.items():
            marker = "" if len(x) > 1 else "."
            colour = _colour(order[layer], len(layers))
            axes.plot(x, y, color=colour, lw=1.2, marker=marker, label=layer)
        entitle(axes, say(words))
        axes.set_xlabel(say("epoch"), fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        tidy(axes)
        axes.tick_params(which="both", labelsize=8)
        if logarithmic and any(value > 0 for _, y in lines.values() for value in y):
            axes.set_yscale("log", nonpositive="mask")
        if what == "output_zeros":
            axes.set_ylim(-0.02, 1.02)
    _legend(grid[-1], layers)
    return figure


def _lines(history, what):
    """Return ``{layer: (epochs, values)}`` of one quantity; biases have no line."""
    found = {}
    for name in history:
        head, slash, layer = name.partition("/")
        if head == what and slash and not layer.endswith("bias"):
            layer = layer.removesuffix(".weight") if what == "update_ratio" else layer
            found[layer] = thinned(*along_epochs(history, name))
    return found


def _colour(index, count):
    from matplotlib import colormaps

    return colormaps["viridis"](0.95 * index / max(1, count - 1))


def _legend(axes, layers):
    count = len(layers)
    shown = range(count)
    if count > NAMED:
        shown = sorted({round(i * (count - 1) / (NAMED - 1)) for i in range(NAMED)})
    for index in shown:
        axes.plot([], [], color=_colour(index, count), lw=3, label=plain(layers[index]))
    axes.legend(loc="center", fontsize=8, frameon=False, title=say("layers"))
    axes.set_axis_off()
