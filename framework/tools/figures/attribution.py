"""Figures of the pixels on which a classification rests: saliency and occlusion."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import (
    SCALE,
    as_pictures,
    draw,
    fitting,
    page,
    scale_below,
    size_of,
)
from firstlight.tools.figures.tables import keep_pixels
from firstlight.tools.language import say
from firstlight.training.means import as_probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 10  # images side by side


def input_gradient(module: Module, x: Array, y: Array) -> Array:
    """Return the gradient of each sample's score of a class with respect to the input.

    Formula, for scores s = module(x) of shape (N, C)::

        dx_n = ∂s_nyₙ / ∂x_n

    Parameters
    ----------
    module : Module
        Run in evaluation mode; its parameters' gradients and ``needs_dx`` stay as they are.
    x : array, shape (N, ...)
    y : array of int, shape (N,)
        The classes.

    Returns
    -------
    array, of x's shape

    Raises
    ------
    ValueError
        The module does not return scores (N, C), or its backward returns no dx.

    References
    ----------
    Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.tools.figures import input_gradient
    >>> layer = nn.Linear(3, 2, needs_dx=False)
    >>> dx = input_gradient(layer, np.ones((1, 3), "float32"), np.array([1]))
    >>> bool((dx[0] == layer.weight.data[1]).all())
    True
    """
    parts = list(module.modules())
    own = [part.__dict__.get("needs_dx") for part in parts]
    gradients = [parameter.grad.copy() for parameter in module.parameters()]
    training = module.training
    module.eval(keep_backward=True)
    try:
        for part in parts:
            part.needs_dx = True
        scores = module(x)
        if scores.ndim != 2 or len(scores) != len(x):
            raise ValueError(
                f"input_gradient: expected scores (N, C) from {type(module).__name__}, got "
                f"{scores.shape} for x of shape {x.shape}"
            )
        dy = np.zeros_like(scores)
        dy[np.arange(len(x), like=dy), y] = 1
        dx = module.backward(dy)
    finally:
        for part, value in zip(parts, own, strict=True):
            if value is None:
                del part.needs_dx
            else:
                part.needs_dx = value
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter.grad[...] = gradient
        module.train(training)
    if dx is None:
        raise ValueError(
            f"input_gradient: {type(module).__name__}.backward returned None; it must give dL/dx"
        )
    return dx.reshape(x.shape)


def saliency(
    images: Array,
    gradients: Array,
    titles: Sequence[str] | None = None,
    *,
    title: str | None = None,
) -> "Figure":
    """Show images, and below each the gradient of its class's score at every pixel.

    Parameters
    ----------
    images, gradients : array, shape (N, H, W, C)
        The latter from `input_gradient`; each map is scaled by its own largest value.
    titles : list of str, optional
    title : str, optional
        By default a description.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("Saliency: where a pixel changes the score") if title is None else title
    size = np.abs(to_host(gradients)).max(axis=3)  # (N, H, W)
    size = size / np.maximum(size.max(axis=(1, 2), keepdims=True), 1e-30)
    return _images_and_maps(images, size, titles, title, say("|gradient| / its largest"), (0, 1))


def occlusion_map(
    module: Module,
    x: Array,
    y: Array,
    *,
    size: int | None = None,
    stride: int | None = None,
    value: float | None = None,
) -> Array:
    """Return the probability that a class loses where a patch covers the image.

    Formula, with probabilities p (the softmax of scores), and patches k that cover pixel (i, j)::

        map_ij = mean_k [p_y(x) - p_y(x with patch k covered)]

    Parameters
    ----------
    module : Module
        Returns scores (N, C) or probabilities; run in evaluation mode.
    x : array, shape (N, H, W, C)
    y : array of int, shape (N,)
    size : int, optional
        Side of the square patch; by default a quarter of the height.
    stride : int, optional
        From one patch to the next; by default a quarter of the patch.
    value : float, optional
        The value of covered pixels; by default the smallest in x, black.

    Returns
    -------
    array, shape (N, H, W)

    Raises
    ------
    ValueError
        x is not a batch of images; a patch that does not fit, or a stride that leaves gaps.

    References
    ----------
    Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    if x.ndim != 4:
        raise ValueError(f"occlusion_map: expected images (N, H, W, C), got {x.shape}")
    n, height, width, _ = x.shape
    size = max(1, height // 4) if size is None else size
    stride = max(1, size // 4) if stride is None else stride
    if not 1 <= size <= min(height, width) or not 1 <= stride <= size:
        raise ValueError(
            f"occlusion_map: expected a size from 1 to {min(height, width)} and a stride from 1 "
            f"to the size, got {size} and {stride}"
        )
    value = x.min() if value is None else value

    def starts(length):  # of patches, the last one at the far border
        return sorted({*range(0, length - size, stride), length - size})

    def probability(images):  # of the classes y, (N,)
        return as_probabilities(to_host(module(images)))[np.arange(n), y]

    training = module.training
    module.eval()
    before = probability(x)
    lost, covered = np.zeros((n, height, width)), np.zeros((height, width))
    for top in starts(height):
        for left in starts(width):
            patch = np.s_[top : top + size, left : left + size]
            hidden = x.copy()
            hidden[:, *patch] = value
            lost[:, *patch] += (before - probability(hidden))[:, None, None]
            covered[patch] += 1
    module.train(training)
    return lost / covered


def occlusion(
    images: Array, maps: Array, titles: Sequence[str] | None = None, *, title: str | None = None
) -> "Figure":
    """Show images, and below each the probability that is lost where it is covered.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
    maps : array, shape (N, H, W)
        From `occlusion_map`.
    titles : list of str, optional
    title : str, optional
        By default a description.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = say("Occlusion: where covering it costs confidence") if title is None else title
    maps = np.asarray(maps)
    limits = 0, max(float(maps.max()), 1e-3)
    return _images_and_maps(images, maps, titles, title, say("probability lost"), limits)


def _images_and_maps(images, maps, titles, title, label, limits):
    """Return a figure of images (N, H, W, C) in rows, each row above the maps (N, H, W) of it."""
    pictures = as_pictures(images)
    if maps.shape != pictures.shape[:3] or not np.isfinite(maps).all():
        raise ValueError(
            f"expected finite maps of shape {pictures.shape[:3]}, one for each image, got "
            f"{maps.shape}" + " with values that are not" * (maps.shape == pictures.shape[:3])
        )
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"expected {len(pictures)} titles, one an image, got {len(titles)}")
    count, shape = len(pictures), pictures.shape[1:]
    columns, _ = fitting(count, ROW, shape, titled=True)
    rows = [slice(start, start + columns) for start in range(0, count, columns)]
    named = [titles[row] if titles else None for row in rows]
    above = [size_of(columns, columns, shape, names)[1] for names in named]
    width, below = size_of(columns, columns, shape)
    figure = page(width, sum(above) + below * len(rows) + SCALE, title)
    heights = [height for upper in above for height in (upper, below)]
    grid = figure.subplots(2 * len(rows), 1, height_ratios=heights)
    for row, names, upper, lower in zip(rows, named, grid[::2], grid[1::2], strict=True):
        draw(upper, _filled(pictures[row], columns), columns=columns, titles=names)
        drawn = _filled(maps[row], columns)
        image = draw(lower, drawn, columns=columns, cmap="magma", limits=limits)
    scale_below(figure, image, label)
    keep_pixels(figure, "maps", maps, label)
    return figure


def _filled(pictures, columns):
    """Return pictures (N, H, W, ...), and empty ones up to the length of a row."""
    missing = columns - len(pictures)
    return np.pad(pictures, [(0, missing)] + [(0, 0)] * (pictures.ndim - 1), constant_values=np.nan)
