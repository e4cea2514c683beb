"""Loss landscape: the loss around trained weights, along two random directions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import SCALE, page, scale_below, tidy
from firstlight.tools.figures.style import VERMILION
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 15
DECADES = 1.0  # between the smallest and the largest loss, from which contours are logarithmic


def loss_landscape(
    module: Module, batch: Any, *, steps: int = 21, extent: float = 1.0, seed: int = 0
) -> tuple[Array, Array]:
    """Return the loss of a batch along two random directions around a module's weights.

    Formula, with weights w and directions d, e from a normal distribution, each filter i (an index
    of the first axis) of which is as long as the filter of the weights::

        losses_jk = L(w + a_j d + a_k e),    dᵢ ← dᵢ / ‖dᵢ‖ ‖wᵢ‖

    Biases, and the weights of normalisation layers, stay. The network's scale thus cancels, so that
    landscapes of several networks can be compared. The weights are restored to the same bytes.

    Parameters
    ----------
    module : Module
        Run in evaluation mode by its ``validation_step``.
    batch : tuple of array
        As for ``validation_step``, e.g. (x, y) with some hundred samples.
    steps : int
        Along each direction; an odd number has a point at the weights themselves.
    extent : float
        The coordinates go from ``-extent`` to ``extent``.
    seed : int
        Of the directions.

    Returns
    -------
    coordinates : array, shape (steps,)
    losses : array, shape (steps, steps)
        Of coordinates (row, column); infinite or NaN where the loss is.

    Raises
    ------
    ValueError
        Less than two steps, an extent that is not positive, or no parameters of two or more axes.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS
    2018, section 4.
    """
    if steps < 2 or not extent > 0:
        raise ValueError(
            "loss_landscape: expected two or more steps and a positive extent, got "
            f"{steps} and {extent}"
        )
    parameters = [p for p in module.parameters() if p.data.ndim > 1]
    if not parameters:
        raise ValueError(
            f"loss_landscape: expected a parameter of two or more axes, {type(module).__name__} "
            "has none"
        )
    rng = np.random.default_rng(seed)
    weights = [p.data.copy() for p in parameters]
    along, across = ([_direction(rng, w) for w in weights] for _ in range(2))
    coordinates, training = np.linspace(-extent, extent, steps), module.training
    losses = np.empty((steps, steps))
    module.eval()
    try:
        for (j, k), _ in np.ndenumerate(losses):
            a, b = float(coordinates[j]), float(coordinates[k])
            for parameter, w, d, e in zip(parameters, weights, along, across, strict=True):
                parameter.data[...] = w + a * d + b * e
            with np.errstate(all="ignore"):
                losses[j, k] = float(module.validation_step(batch).loss)
    finally:
        for parameter, w in zip(parameters, weights, strict=True):
            parameter.data[...] = w
        module.train(training)
    return coordinates, losses


def landscape(coordinates: Array, losses: Array, *, title: str | None = None) -> "Figure":
    """Show a loss landscape as contours, with the weights themselves in the middle.

    Contours are logarithmic if the losses span a factor of ten or more.

    Parameters
    ----------
    coordinates : array, shape (S,)
    losses : array, shape (S, S)
        From `loss_landscape`; those that are not finite are left white.
    title : str, optional
        By default the range of the loss.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Another shape, or no finite loss.
    """
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import LogLocator, MaxNLocator

    coordinates, losses = np.asarray(coordinates), np.asarray(losses, float)
    count = len(coordinates)
    if losses.shape != (count, count) or count < 2:
        raise ValueError(
            f"landscape: expected losses of shape {(count, count)} for {count} coordinates, got "
            f"{losses.shape}"
        )
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ValueError("landscape: expected a finite loss at least, got none")
    low, high = float(finite.min()), float(finite.max())
    if title is None:
        title = say("Loss around the weights: {low} to {high}").format(
            low=f"{low:.3g}", high=f"{high:.3g}"
        )
    figure = page(4.6, 4.2 + SCALE, title)
    axes = figure.add_subplot()
    logarithmic = low > 0 and high > low * 10**DECADES
    high = high if high > low else low + 1.0
    levels = (np.geomspace if logarithmic else np.linspace)(low, high, LEVELS)
    norm = (LogNorm if logarithmic else Normalize)(low, high)
    shown = np.ma.masked_invalid(losses).T  # x is the first coordinate
    filled = axes.contourf(coordinates, coordinates, shown, levels, norm=norm, cmap="viridis")
    lines = {"colors": "white", "linewidths": 0.5, "alpha": 0.7}
    axes.contour(coordinates, coordinates, shown, levels, **lines)
    axes.plot(0, 0, "o", ms=8, color=VERMILION, mec="white", mew=1.5)
    axes.set(xlabel=say("direction 1"), ylabel=say("direction 2"))
    axes.set_aspect("equal")
    tidy(axes, grid=0, letters=8)
    scale_below(figure, filled, say("loss"))
    bar = figure.axes[-1].xaxis
    bar.set_major_locator(LogLocator(subs=(1, 2, 5)) if logarithmic else MaxNLocator(5))
    bar.set_major_formatter("{x:.3g}")
    bar.set_minor_locator(MaxNLocator(1))
    bar.set_minor_formatter("")
    j, k = np.indices(losses.shape).reshape(2, -1)
    table = {"direction 1": coordinates[j], "direction 2": coordinates[k], "loss": losses.ravel()}
    keep_numbers(figure, "landscape", table)
    return figure


def _direction(rng: np.random.Generator, weight: Array) -> Array:
    """Return a random direction each filter of which is as long as that of the weights."""
    direction = rng.standard_normal(weight.shape)
    w = np.asarray(to_host(weight), np.float64)
    axes = tuple(range(1, weight.ndim))
    lengths, own = (np.sqrt(np.square(a).sum(axis=axes, keepdims=True)) for a in (w, direction))
    return np.asarray(direction * lengths / own, weight.dtype, like=weight)
