"""Tables of the numbers that figures show, for CSV files beside them."""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Table = dict[str, Array]


def keep_numbers(figure: "Figure", name: str, table: Table) -> None:
    """Attach a table to a figure, where its drawing alone would not tell the numbers."""
    kept = figure.__dict__.setdefault("_numbers", {})
    kept[name] = {column: np.asarray(values) for column, values in table.items()}


def keep_pixels(figure: "Figure", name: str, pictures: Array, value: str) -> None:
    """Attach the values of pictures (N, H, W) to a figure, with the number of each picture."""
    places = np.indices(pictures.shape).reshape(3, -1)
    columns = dict(zip(("picture", "row", "column"), places, strict=True))
    keep_numbers(figure, name, columns | {value: np.ravel(pictures)})


def numbers(figure: "Figure") -> dict[str, Table]:
    r"""Return the numbers that a figure shows.

    Curves, points, bars and histograms are read from the drawing, one table for each panel with a
    row for each point. Pictures of numbers, such as `confusion_matrix` or `filters`, bring a table
    of their own. Photographs have none.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    dict of str to dict of str to array, shape (R,)
        Tables by name, each with columns by name.

    Examples
    --------
    >>> from firstlight.tools import figures
    >>> figure = figures.error_curves([1, 2], {"training": [0.5, 0.4]}, xlabel="M", ylabel="error")
    >>> for name, table in figures.numbers(figure).items():
    ...     print(name, {column: values.tolist() for column, values in table.items()})
    error {'curve': ['training', 'training'], 'M': [1.0, 2.0], 'error': [0.5, 0.4]}
    """
    tables = dict(figure.__dict__.get("_numbers", {}))
    if tables:
        return tables
    for axes in figure.axes:
        found = list(_drawn(axes)) if axes.get_visible() else []
        if not found:
            continue
        x, y = axes.get_xlabel() or "x", axes.get_ylabel() or "y"
        title = axes.get_title() and (axes.get_label() or axes.get_title())
        name = title or (y if axes.get_ylabel() else figure.get_suptitle()) or "values"
        y = name if y == "y" else y
        name = _unused(_plain(name), tables)
        rows = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        columns = ("curve", _plain(x), _plain(y) if _plain(y) != _plain(x) else "value")
        tables[name] = dict(zip(columns, rows, strict=True))
    return tables


def as_csv(table: Table) -> str:
    """Return a table as the text of a CSV file, with a line of the columns' names above."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return text.getvalue()


def _drawn(axes: "Axes") -> Iterator[tuple[Array, Array, Array]]:
    """Yield names (R,), x (R,) and y (R,) of each curve, histogram, group of bars or points."""
    lines = [line for line in axes.get_lines() if len(line.get_xdata())]
    named = [line for line in lines if not line.get_label().startswith("_")]
    for line in named or lines:
        if line.get_transform() == axes.transData:  # no line through the whole panel
            yield _rows(line, *line.get_xydata().T)
    for scatter in axes.collections:
        points = np.ma.getdata(scatter.get_offsets())
        if len(points) and scatter.get_offset_transform() == axes.transData:
            yield _rows(scatter, *points.T)
    for bars in axes.containers:
        level = getattr(bars, "orientation", "vertical") == "horizontal"
        texts = [label.get_text() for label in (axes.get_yticklabels() if level else ())]
        middles = [bar.get_y() + bar.get_height() / 2 for bar in bars]
        places = [bar.get_x() + bar.get_width() / 2 for bar in bars]
        sizes = [bar.get_width() if level else bar.get_height() for bar in bars]
        if level:
            places = texts if len(texts) == len(bars) else middles
        yield _rows(bars, places, sizes)
    for patch in axes.patches:
        if hasattr(patch, "get_data"):  # a histogram's stairs
            values, edges, _ = patch.get_data()
            yield _rows(patch, (edges[1:] + edges[:-1]) / 2, values)


def _rows(artist, x, y):
    label = str(artist.get_label())
    names = np.full(len(x), "" if label.startswith("_") else _plain(label), dtype=object)
    return names, np.asarray(x), np.asarray(y)


def _plain(text):
    """Return a text without the marks of a formula."""
    return text.replace(r"\$", "\0").replace("$", "").replace("\0", "$")


def _unused(name, tables):
    count, unique = 1, name
    while unique in tables:
        count += 1
        unique = f"{name} {count}"
    return unique
