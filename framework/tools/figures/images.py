"""Figures of images, and of a layer's output for one image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.state import children
from firstlight.tools.figures.canvas import as_pictures, draw, page, size_of
from firstlight.tools.figures.tables import keep_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def image_grid(
    images: Array, titles: Sequence[str] | None = None, *, columns: int = 8, title: str = ""
) -> "Figure":
    """Show images in rows, all with the same scale of grey.

    Parameters
    ----------
    images : array, shape (N, H, W, 1) or (N, H, W, 3)
    titles : list of str, optional
        One for each image.
    columns : int
        Images in a row.
    title : str
        Of the whole figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Another shape, or not as many titles as images.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.figures import image_grid
    >>> figure = image_grid(np.random.default_rng(0).random((6, 8, 8, 1)), columns=3)
    """
    pictures = as_pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(
            f"image_grid: expected {len(pictures)} titles, one for each image, got {len(titles)}"
        )
    figure = page(*size_of(len(pictures), columns, pictures.shape[1:], titles), title)
    draw(figure.add_subplot(), pictures, columns=columns, titles=titles)
    return figure


def image_outputs(module: Module, x: Array) -> dict[str, Array]:
    """Run a module in evaluation mode; return the outputs of its layers that are images.

    Parameters
    ----------
    module : Module
    x : array, shape (N, H, W, C)

    Returns
    -------
    dict of str to array
        Outputs (N, H', W', C') by the layers' names, in the order in which they ran; layers that
        only combine others are left out.
    """
    from firstlight.tools.diagnose.probes.recorded_calls import recorded_evaluation

    return {
        call.name or call.type: to_host(call.output)
        for call in recorded_evaluation(module, x)
        if getattr(call.output, "ndim", 0) == 4 and not list(children(call.module))
    }


def feature_maps(maps: Array, *, columns: int = 8, title: str = "") -> "Figure":
    """Show the channels of one layer's output for one image; bright is large.

    Parameters
    ----------
    maps : array, shape (H, W, C)
    columns : int
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or maps.size == 0:
        raise ValueError(f"feature_maps: expected maps of shape (H, W, C), got {maps.shape}")
    pictures = maps.transpose(2, 0, 1)  # (C, H, W)
    figure = page(*size_of(len(pictures), columns, maps.shape), title)
    draw(figure.add_subplot(), pictures, columns=columns, cmap="viridis")
    keep_pixels(figure, "feature maps", pictures, "output")
    return figure
