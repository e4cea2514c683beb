"""predictions: what a regression says, beside what is true."""

import numpy as np

from firstlight.tools.figures.canvas import page
from firstlight.tools.language import say


def predictions(x, target, predicted, *, title=""):
    """Show predictions: over x where that is one number, else against the targets.

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
    if not len(x) == target.size == predicted.size:
        raise ValueError(
            f"predictions: expected one target and one prediction for each of {len(x)} inputs, "
            f"got shapes {target.shape} and {predicted.shape}"
        )
    target, predicted = target.ravel(), predicted.ravel()
    figure = page(4.6, 3.2, title)
    axes = figure.add_subplot()
    if x.size == len(x):
        order = np.argsort(x.ravel())
        axes.plot(x.ravel(), target, "o", color="tab:blue", markersize=3, label=say("data"))
        axes.plot(x.ravel()[order], predicted[order], color="tab:orange", label=say("prediction"))
        axes.set(xlabel="x", ylabel="y")
        axes.legend(fontsize=8, frameon=False)
    else:
        ends = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
        axes.plot(ends, ends, color="tab:gray", linewidth=0.8)
        axes.plot(target, predicted, "o", color="tab:blue", markersize=3, alpha=0.6)
        axes.set(xlabel=say("target"), ylabel=say("prediction"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
