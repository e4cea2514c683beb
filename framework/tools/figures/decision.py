"""Decision boundary of a classifier of two numbers, as a picture and as an animation."""

import io
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import made_room, write_atomically
from firstlight.tools.figures.canvas import as_bytes, page, plain
from firstlight.tools.figures.labels import as_labels
from firstlight.tools.figures.style import COLOURS, MARKERS
from firstlight.tools.figures.tables import keep_numbers
from firstlight.training.means import as_probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALE = 0.55  # strength of a region's colour where the model is sure
LEVELS = 6  # of sureness
LEGEND = 0.3  # inches of a row of names
SHARP, COLOURED = 80, 48  # dots per inch of an animation, and colours of each picture in it


def decision_grid(
    module: Module, x: Array, *, resolution: int = 100, margin: float = 0.15
) -> tuple[Array, Array, Array]:
    """Return a classifier's probabilities on a grid around two-dimensional samples.

    Parameters
    ----------
    module : Module
        Returns scores (N, C) or probabilities for x (N, 2); run in evaluation mode. A score (N, 1)
        counts as the logit of the second of two classes.
    x : array, shape (N, 2)
    resolution : int
        Points along each axis.
    margin : float
        Around the samples, as a share of their range.

    Returns
    -------
    first, second : array, shape (R,)
        The values of x₁ and x₂ on the grid.
    probabilities : array, shape (R, R, C)
        At ``(second[i], first[j])``.

    Raises
    ------
    ValueError
        Samples of another shape or not finite, less than two points, or outputs of another shape.
    """
    x = to_host(x)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x) or not np.isfinite(x).all():
        raise ValueError(
            f"decision_grid: expected finite samples (N, 2), one or more, got shape {x.shape}; a "
            "decision boundary can be drawn for inputs of two numbers"
        )
    if resolution < 2:
        raise ValueError(f"decision_grid: expected a resolution of 2 or more, got {resolution}")
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * np.where(high > low, high - low, 1.0)
    first, second = np.linspace(low - room, high + room, resolution).T
    points = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)  # (R R, 2)
    like = next(iter(module.parameters()), None)
    like = x if like is None else like.data
    training = module.training
    module.eval()
    try:
        scores = to_host(module(np.asarray(points, like.dtype, like=like)))
    finally:
        module.train(training)
    if scores.ndim != 2 or len(scores) != len(points):
        raise ValueError(
            f"decision_grid: expected scores (N, C) from {type(module).__name__}, got "
            f"{scores.shape} for x of shape {points.shape}"
        )
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    with np.errstate(all="ignore"):
        probabilities = as_probabilities(scores)
    return first, second, probabilities.reshape(resolution, resolution, -1)


def decision_boundary(
    first: Array,
    second: Array,
    probabilities: Array,
    x: Array,
    y: Array,
    names: Sequence[str],
    *,
    title: str = "",
) -> "Figure":
    """Show the region of each class, paler where the model is less sure, and the samples.

    Parameters
    ----------
    first, second, probabilities
        From `decision_grid`.
    x : array, shape (N, 2)
    y : array of int, shape (N,)
    names : list of str
        Of the C classes.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Shapes that do not fit, probabilities that are not finite, or labels without a name.
    """
    from matplotlib.colors import to_rgb

    first, second, p = np.asarray(first), np.asarray(second), np.asarray(probabilities, float)
    x, y = np.asarray(to_host(x)), as_labels("decision_boundary", y)
    if p.shape != (len(second), len(first), len(names)) or not np.isfinite(p).all():
        raise ValueError(
            "decision_boundary: expected finite probabilities of shape "
            f"{(len(second), len(first), len(names))} for the grid and {len(names)} names, got "
            f"shape {p.shape}"
        )
    if x.shape != (len(y), 2) or not len(y) or y.min() < 0 or y.max() >= len(names):
        raise ValueError(
            f"decision_boundary: expected samples ({len(y)}, 2), one or more, with labels from 0 "
            f"to {len(names) - 1}, got shape {x.shape} and labels {np.unique(y)[:9].tolist()}"
        )
    rows = -(-len(names) // 4)
    figure = page(4.4, 4.0 + LEGEND * rows, title)
    axes = figure.add_subplot()
    looks = [(COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]) for k in range(len(names))]
    colours = np.array([to_rgb(colour) for colour, _ in looks])  # (C, 3)
    best = p.argmax(axis=2)
    above = p.max(axis=2) - 1 / len(names)  # over a guess
    sure = np.ceil(LEVELS * above / max(1 - 1 / len(names), 1e-9)) / LEVELS
    picture = 1 - PALE * (0.25 + 0.75 * sure[..., None]) * (1 - colours[best])  # (R, R, 3)
    extent = (first[0], first[-1], second[0], second[-1])
    axes.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    ranked = np.sort(p, axis=2)[..., ::-1]
    for k in range(len(names)):
        others = np.where(best == k, ranked[..., 1], ranked[..., 0])
        lead = p[..., k] - others
        if (lead > 0).any() and (lead < 0).any():
            axes.contour(first, second, lead, [0.0], colors="black", linewidths=1)
    for k, (colour, marker) in enumerate(looks):
        mine = {"color": colour, "marker": marker, "edgecolors": "white", "linewidths": 0.6}
        axes.scatter(*x[y == k].T, s=26, label=plain(names[k]), zorder=3, **mine)
    axes.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[])
    axes.spines[:].set_color("lightgray")
    place = {"loc": "outside lower center", "ncols": min(4, len(names)), "fontsize": 9}
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, **place)
    named = np.array([str(name) for name in names], object)
    grid = {"x1": np.tile(first, len(second)), "x2": np.repeat(second, len(first))}
    chances = {"class": named[best.ravel()], "probability": p.max(axis=2).ravel()}
    keep_numbers(figure, "grid", grid | chances)
    keep_numbers(figure, "samples", {"x1": x[:, 0], "x2": x[:, 1], "class": named[y]})
    return figure


def animation(
    frames: "Iterable[Figure]", path: str | PathLike[str], *, seconds: float = 6.0
) -> None:
    """Write figures of one size as a GIF that repeats, and rests on the last one.

    Parameters
    ----------
    frames : iterable of matplotlib Figure
    path : path-like
        Ends in ".gif"; written atomically.
    seconds : float
        Of the whole, without the rest; a picture is shown for 0.05 s at least.

    Raises
    ------
    ValueError
        No frames, frames of different sizes, or another ending.
    """
    from PIL import Image

    if not str(path).endswith(".gif"):
        raise ValueError(f"animation: expected a path that ends in .gif, got {str(path)!r}")
    pictures = [Image.open(io.BytesIO(as_bytes(figure, dpi=SHARP))) for figure in frames]
    sizes = {picture.size for picture in pictures}
    if len(sizes) != 1:
        raise ValueError(
            f"animation: expected one or more figures of one size, got {len(pictures)} of "
            f"{sorted(sizes)} pixels"
        )
    small = [picture.convert("RGB").quantize(COLOURED, dither=0) for picture in pictures]
    each = max(50, int(1000 * seconds / len(small)))
    content = io.BytesIO()
    times = [*[each] * (len(small) - 1), max(2000, each)]
    small[0].save(
        content, "GIF", save_all=True, append_images=small[1:], duration=times, loop=0, disposal=1
    )
    write_atomically(made_room(path), content.getvalue())
