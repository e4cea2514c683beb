"""The canvas of all figures: pages, panels, and many small pictures on one pair of axes.

matplotlib is imported when the first figure is made, and only its objects are used: no pyplot, and
the user's settings stay as they are. Without pyplot, Jupyter does not know that a figure is a
picture, so each figure brings the method that Jupyter looks for.
"""

import io
import textwrap
from collections.abc import Sequence
from functools import partial
from math import inf
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import made_room, write_atomically
from firstlight.tools.figures.style import widest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

CELL = 0.95  # inches of a picture's longer side
TITLED = 0.74  # of a picture in a narrow figure, so that its title has room
TITLE = 0.2  # inches of the line above it
GAP = 0.08
SCALE = 0.55  # of a colour scale below all axes, with its label
LETTER = 0.088  # of a letter of the title, on average
NARROW = 1.6  # the least width of a panel, if there are several
INCH = 96  # pixels of an inch on a page of HTML


def page(width: float, height: float, title: str = "") -> "Figure":
    """Return an empty figure of a size in inches, with a title above, in lines that fit.

    A figure that `printed` does not allow to be so wide is narrower, and a little lower.
    """
    from matplotlib.figure import Figure

    shrunk = min(1.0, widest() / width)
    width, height = width * shrunk, height * max(shrunk, 0.8)
    lines = [row for line in title.split("\n") for row in textwrap.wrap(line, int(width / LETTER))]
    height += 0.25 + 0.2 * len(lines) if lines else 0
    figure = Figure(figsize=(width, height), layout="constrained")
    if lines:
        figure.suptitle("\n".join(lines), fontsize=11)
    figure._repr_png_ = partial(_in_notebook, figure)
    return figure


def panels(
    count: int,
    columns: int,
    size: tuple[float, float],
    title: str = "",
    *,
    margin: tuple[float, float] = (0.0, 0.0),
    **shared: Any,
) -> "tuple[Figure, list[Axes]]":
    """Return a figure and the axes of its panels, row by row.

    ``size`` is a panel's in inches, and ``margin`` is added to that of all; ``shared`` are
    matplotlib's ``sharex`` and ``sharey``.
    """
    room = widest() - margin[0]
    columns = int(max(1, min(columns, count, room / min(size[0], NARROW))))
    width, rows = min(size[0], room / columns), -(-count // columns)
    figure = page(columns * width + margin[0], rows * size[1] + margin[1], title)
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel()
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, list(axes[:count])


def entitle(axes: "Axes", text: object) -> None:
    """Write the title of a panel, in lines that fit above it."""
    width = axes.figure.get_figwidth() / axes.get_gridspec().ncols
    letters = max(8, int((width - 0.5) / (0.9 * LETTER)))
    axes.set_title("\n".join(textwrap.wrap(plain(text), letters)), fontsize=10)
    axes.set_label(plain(text))  # in one piece, for the names of tables


def tidy(axes: "Axes", *, grid: float = 0.3, letters: float | None = None) -> None:
    """Draw a pale grid and no frame above and to the right; set the tick labels' size."""
    axes.grid(alpha=grid)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if letters is not None:
        axes.tick_params(labelsize=letters)


def plain(text: object) -> str:
    """Return a text, such as a metric's name, in which ``$`` begins no formula."""
    return str(text).replace("$", r"\$")


def as_pictures(images: Array) -> Array:
    """Return images (N, H, W, C) as grey values (N, H, W), or as colours (N, H, W, 3) in [0, 1].

    Raises
    ------
    ValueError
        Another shape, no images, or a number of channels that is no picture.
    """
    images = np.asarray(to_host(images))
    if images.ndim != 4 or images.size == 0 or images.shape[3] not in (1, 3):
        raise ValueError(
            "expected one or more images of shape (N, H, W, 1) or (N, H, W, 3), got "
            f"{images.shape}; give grey images a last axis with x[..., np.newaxis]"
        )
    if images.shape[3] == 1:
        return images[..., 0]
    low, high = float(images.min()), float(images.max())
    return (images - low) / ((high - low) or 1.0)


def fitting(
    count: int, columns: int, shape: Sequence[int], titled: bool = False
) -> tuple[int, float]:
    """Return how many pictures of shape (H, W, ...) lie side by side, and the inches of a pixel.

    In a narrow figure pictures are smaller, but not smaller than their titles.
    """
    longest, columns = max(shape[:2]), max(1, min(count, columns))
    share = shape[1] / longest
    if titled and widest() < inf:
        columns = max(1, min(columns, int(widest() / (TITLED * share + GAP))))
    return columns, min(CELL, max(GAP, widest() / columns - GAP) / share) / longest


def size_of(
    count: int, columns: int, shape: Sequence[int], titles: Sequence[str] | None = None
) -> tuple[float, float]:
    """Return width and height in inches that `draw` needs for pictures of shape (H, W, ...)."""
    columns, inch = fitting(count, columns, shape, titles is not None)
    rows = -(-count // columns)
    height = rows * (shape[0] * inch + GAP) + sum(title_lines(titles, rows, columns)) * TITLE
    return columns * (shape[1] * inch + GAP), height


def title_lines(titles: Sequence[str] | None, rows: int, columns: int) -> list[int]:
    """Return for each row of pictures the lines of its longest title, 0 if all are empty."""
    lines = [title.count("\n") + 1 if title else 0 for title in titles or ()]
    return [max(lines[row * columns : (row + 1) * columns], default=0) for row in range(rows)]


def draw(
    axes: "Axes",
    pictures: Array,
    *,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
) -> "AxesImage":
    """Draw pictures row by row, each under its title, and return matplotlib's image.

    Parameters
    ----------
    axes : matplotlib Axes
    pictures : array, shape (N, H, W) or (N, H, W, 3)
    columns : int
    titles : list of str, optional
        One for each picture; a row without titles leaves no space for them.
    cmap : str
    limits : (float, float), optional
        Values at the ends of the colour map; by default the smallest and the largest.
    """
    from matplotlib import colormaps

    count, height, width = pictures.shape[:3]
    columns, pixel = fitting(count, columns, (height, width), titles is not None)
    gap, line = max(1, round(GAP / pixel)), round(TITLE / pixel)
    lines = np.array(title_lines(titles, -(-count // columns), columns)) * line  # pixels
    tops = np.cumsum(lines + height + gap) - height - gap
    whole = np.full((tops[-1] + height, columns * (width + gap) - gap, *pictures.shape[3:]), np.nan)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = tops[row], column * (width + gap)
        whole[top : top + height, left : left + width] = picture
        if titles is not None and index < len(titles) and titles[index]:
            x, y = left + (width - 1) / 2, top - 0.5 - 0.15 * line
            axes.text(x, y, plain(titles[index]), ha="center", va="bottom", fontsize=8)
    low, high = limits or (float(np.nanmin(pictures)), float(np.nanmax(pictures)))
    if whole.ndim == 3:
        whole = np.where(np.isnan(whole), 1.0, whole)  # white
    colours = colormaps[cmap].with_extremes(bad="white")  # between the pictures
    image = axes.imshow(whole, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_axis_off()
    return image


def scale_below(figure: "Figure", image: "AxesImage", label: str) -> None:
    """Draw the thin colour scale of an image below all axes, which takes `SCALE` inches."""
    width, height = figure.get_size_inches()
    share = min(1.0, 4.0 / width)
    bar = figure.colorbar(
        image,
        ax=figure.axes,
        location="bottom",
        shrink=share,
        aspect=share * width / 0.09,
        pad=0.06 / height,
        fraction=0.15 / height,
    )
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.ax.locator_params(nbins=5)
    bar.outline.set_visible(False)


def save(figure: "Figure", path: str | PathLike[str]) -> "Figure":
    """Write a figure atomically, in the format of the path's ending, or as PNG; make its folder.

    Returns the figure, which a notebook shows at the end of a cell.
    """
    content = as_bytes(figure, Path(path).suffix[1:] or "png")
    write_atomically(made_room(path), content)
    return figure


def as_bytes(figure: "Figure", kind: str = "png", dpi: int = 150) -> bytes:
    """Return a figure as the bytes of a file: "png", "svg" or "pdf"."""
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=dpi, facecolor="white")
    return content.getvalue()


def _in_notebook(figure):
    """Return a PNG of a figure and its width on the page, for Jupyter."""
    dpi = 2 * INCH  # sharp on screens of high resolution
    return as_bytes(figure, dpi=dpi), {"width": round(figure.get_figwidth() * INCH)}
