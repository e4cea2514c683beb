"""Figures of a model's parameters: the first layer's filters, and histograms."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import SCALE, draw, entitle, page, panels, scale_below, size_of
from firstlight.tools.figures.style import BLUE
from firstlight.tools.figures.tables import keep_pixels
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def first_weights(module: Module, input_shape: Sequence[int]) -> Array:
    """Return the first layer's weights as small images.

    Parameters
    ----------
    module : Module
        Its first parameter called ``weight`` of two axes, (O, I) as of `Linear`, or four,
        (O, H, W, C) as of a convolution.
    input_shape : tuple of int
        (H, W, C) of the module's inputs; a flat layer's weights are reshaped to it.

    Returns
    -------
    array, shape (O, H, W, C)

    Raises
    ------
    ValueError
        There is no such layer, or its weights do not have the size of an image.
    """
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] == "weight" and parameter.data.ndim in (2, 4):
            break
    else:
        raise ValueError(
            f"filters: expected a layer with weights (O, I) or (O, H, W, C), "
            f"{type(module).__name__} has none"
        )
    weight = to_host(parameter.data)
    if weight.ndim == 4:
        return weight
    if len(input_shape) != 3 or weight.shape[1] != np.prod(input_shape):
        raise ValueError(
            f"filters: expected {name} with one weight for each value of an image "
            f"(H, W, C), got {weight.shape} for inputs of shape {tuple(input_shape)}"
        )
    return weight.reshape(-1, *input_shape)


def filters(
    weights: Array, *, count: int = 64, columns: int = 8, title: str | None = None
) -> "Figure":
    """Show filters as pictures: positive weights are red, negative ones blue.

    Parameters
    ----------
    weights : array, shape (O, H, W, C)
        From `first_weights`; the mean over the channels is shown.
    count : int
        The largest number of filters, those of the largest norm first.
    columns : int
    title : str, optional
        By default a description.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("First layer: the strongest filters") if title is None else title
    weights = np.asarray(weights)
    if weights.ndim != 4 or weights.size == 0:
        raise ValueError(f"filters: expected weights of shape (O, H, W, C), got {weights.shape}")
    norms = np.square(weights).sum(axis=(1, 2, 3))
    chosen = weights[np.argsort(-norms, kind="stable")[:count]].mean(axis=3)  # (count, H, W)
    limit = float(np.quantile(np.abs(chosen), 0.995)) or 1.0  # one huge weight hides no others
    width, height = size_of(len(chosen), columns, chosen.shape[1:])
    figure = page(width, height + SCALE, title)
    axes, limits = figure.add_subplot(), (-limit, limit)
    image = draw(axes, chosen, columns=columns, cmap="RdBu_r", limits=limits)
    scale_below(figure, image, say("weight"))
    keep_pixels(figure, "filters", chosen, "weight")
    return figure


def histograms(
    arrays: Mapping[str, Array], *, columns: int = 4, bins: int = 64, title: str = ""
) -> "Figure":
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
        There are no arrays.
    """
    if not arrays:
        raise ValueError("histograms: expected one or more arrays, got none")
    figure, grid = panels(len(arrays), columns, (2.1, 1.35), title)
    for axes, (name, array) in zip(grid, arrays.items(), strict=True):
        values = np.asarray(to_host(array)).ravel()
        values = values[np.isfinite(values)].astype(np.float64)
        counts, edges = np.histogram(values, bins=min(bins, max(8, values.size // 4)))
        axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.8)
        if edges[0] < 0 < edges[-1]:
            axes.axvline(0, color="black", linewidth=0.6, alpha=0.5)
        entitle(axes, name)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
