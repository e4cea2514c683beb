"""What all figures are made of: a page, and many small pictures on one pair of axes.

matplotlib is imported when the first figure is made, and used through its objects only: no
pyplot, no settings of the user's changed.
"""

import numpy as np

from firstlight.support.backend import to_host

CELL = 0.95  # inches of a picture's longer side
TITLE = 0.2  # inches of the line above it
GAP = 0.08
NOTHING = "white"  # between the pictures


def page(width, height, title=""):
    """Return an empty matplotlib Figure of so many inches, with a title line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height + (0.45 if title else 0)), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def plain(text):
    """Return a text, such as a metric's name, in which ``$`` begins no formula."""
    return str(text).replace("$", r"\$")


def as_pictures(images):
    """Return images (N, H, W, C) as grey values (N, H, W), or as colours (N, H, W, 3) of 0 ... 1.

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


def size_of(count, columns, shape, titles=None):
    """Return the inches (width, height) that `draw` needs for pictures of shape (H, W, ...)."""
    columns, inch = min(count, columns), CELL / max(shape[:2])
    rows = -(-count // columns)
    height = rows * (shape[0] * inch + GAP) + sum(title_lines(titles, rows, columns)) * TITLE
    return columns * (shape[1] * inch + GAP), height


def title_lines(titles, rows, columns):
    """Return for each row of pictures the lines of its longest title, 0 if all are empty."""
    lines = [title.count("\n") + 1 if title else 0 for title in titles or ()]
    return [max(lines[row * columns : (row + 1) * columns], default=0) for row in range(rows)]


def draw(axes, pictures, *, columns=8, titles=None, cmap="gray", limits=None):
    """Draw pictures row by row, each under its title, and return matplotlib's image.

    Parameters
    ----------
    axes : matplotlib Axes
    pictures : array, shape (N, H, W) or (N, H, W, 3)
    columns : int
    titles : list of str, optional
        One for each picture; empty ones take no room where a whole row has none.
    cmap : str
    limits : (float, float), optional
        Values at the ends of the colour map; by default the smallest and the largest there are.
    """
    from matplotlib import colormaps

    count, height, width = pictures.shape[:3]
    columns = min(count, columns)
    pixel = CELL / max(height, width)  # inches
    gap = max(1, round(GAP / pixel))
    line = round(TITLE / pixel)
    lines = np.array(title_lines(titles, -(-count // columns), columns)) * line  # pixels
    tops = np.cumsum(lines + height + gap) - height - gap
    whole = np.full((tops[-1] + height, columns * (width + gap) - gap, *pictures.shape[3:]), np.nan)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = tops[row], column * (width + gap)
        whole[top : top + height, left : left + width] = picture
        if titles is not None and titles[index]:
            axes.text(
                left + (width - 1) / 2,
                top - 0.5 - 0.15 * line,
                plain(titles[index]),
                ha="center",
                va="bottom",
                fontsize=8,
            )
    low, high = limits or (float(np.nanmin(pictures)), float(np.nanmax(pictures)))
    if whole.ndim == 3:
        whole = np.where(np.isnan(whole), 1.0, whole)  # white
    colours = colormaps[cmap].with_extremes(bad=NOTHING)
    image = axes.imshow(whole, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_axis_off()
    return image


def scale_beside(figure, image, label):
    """Draw the colour scale of an image, thin, to the right of all axes."""
    bar = figure.colorbar(image, ax=figure.axes, fraction=0.04, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def save(figure, path):
    """Write a figure as PNG (or what the path's ending says), whole or not at all."""
    from pathlib import Path

    from firstlight.support.files import write_atomically

    write_atomically(path, as_bytes(figure, Path(path).suffix[1:] or "png"))


def as_bytes(figure, kind="png", dpi=150):
    """Return a figure as the bytes of a file: "png", "svg" or "pdf"."""
    import io

    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=dpi, facecolor="white")
    return content.getvalue()
