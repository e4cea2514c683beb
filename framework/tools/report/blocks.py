"""The blocks of a poster's columns, each with its height and its drawing.

Lengths are millimetres of an A0 page, and letters are points on it; `firstlight.tools.report._page`
scales both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

    from firstlight.tools.report._page import Page

Colour = tuple[int, int, int]
DARK, GREY, ACCENT = (27, 31, 36), (89, 99, 110), (232, 113, 10)
LINE = 1.38  # height of a line, relative to its letters
MILLIMETRES = 25.4 / 72  # of a point
STEP = 1.3  # indentation, relative to the letters
MONO = 0.603  # width of a letter of DejaVu Sans Mono, relative to its height
ESCAPE = "\ue000"  # before a mark that is shown as text; no text contains it, unlike "\\"
SMALLEST = 0.7  # letters of a table that is too wide, relative to those of other tables


class Block(Protocol):
    """A part of a column."""

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        ...

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        ...


class Heading:
    """A section's heading, with a line below it."""

    def __init__(self, title: str):
        self.title: str = title

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        return page.letters * 1.45 * MILLIMETRES * LINE + 4

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        page.text(self.title, x, y, width, page.letters * 1.45, bold=True, colour=ACCENT)
        page.line(x, y + self.height(page, width) - 2, width, ACCENT, 1.2)


@dataclass
class Line:
    """A paragraph or an item of a list, with fpdf2's marks, such as ``**bold**``.

    Attributes
    ----------
    text, marker : str
        The marker, such as "•", is drawn to the left.
    level : int
        Steps of indentation.
    """

    text: str
    marker: str = ""
    level: int = 0


class Text:
    """Paragraphs, and items of lists."""

    def __init__(self, lines: list[Line]):
        self.lines: list[Line] = lines

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        return sum(self._height(page, line, width) for line in self.lines)

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        step = page.letters * MILLIMETRES * STEP
        for line in self.lines:
            indent = step * line.level
            if line.marker:
                page.text(line.marker, x + indent - step, y, step, page.letters, colour=ACCENT)
            page.text(line.text, x + indent, y, width - indent, page.letters)
            y += self._height(page, line, width)

    @staticmethod
    def _height(page, line, width):
        letters = page.letters * MILLIMETRES
        indent = letters * STEP * line.level
        return page.text_height(line.text, width - indent, page.letters) + 0.5 * letters


class Code:
    """Lines of a program or of output, in a monospaced font."""

    def __init__(self, text: str):
        self.lines: list[str] = text.rstrip().expandtabs(4).splitlines() or [""]

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        return len(self.lines) * self._letters(page, width) * MILLIMETRES * LINE + 4

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        letters = self._letters(page, width)
        for number, line in enumerate(self.lines):
            top = y + 2 + number * letters * MILLIMETRES * LINE
            page.text(line, x + 6, top, width, letters, mono=True, markdown=False)
        page.bar(x, y, 1.5, self.height(page, width), GREY)

    def _letters(self, page, width):
        """Return the size of letters with which the longest line fits."""
        longest = max(len(line) for line in self.lines)
        return min(page.letters * 0.8, (width - 12) / max(longest, 1) / MONO / MILLIMETRES)


class Picture:
    """A picture from a file, as wide as its column allows."""

    def __init__(self, path: Path):
        from PIL import Image

        self.path: Path = path
        with Image.open(path) as image:
            self.pixels: tuple[int, int] = image.size

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        return page.scaled(self.pixels, width)[1] + 2

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        wide, high = page.scaled(self.pixels, width)
        page.picture(self.path, x + (width - wide) / 2, y, wide, high)


class Figure:
    """A matplotlib figure with a title."""

    def __init__(self, figure: "MatplotlibFigure", title: str):
        self.figure: MatplotlibFigure = figure
        self.title: str = title
        if figure.get_suptitle() and title:
            figure.suptitle("")  # the block's title replaces it

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        return self._title(page) + page.scaled(self.figure.get_size_inches(), width)[1] + 2

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        page.text(self.title, x, y, width, page.letters * 0.95, bold=True)
        wide, high = page.scaled(self.figure.get_size_inches(), width)
        page.figure(self.figure, x + (width - wide) / 2, y + self._title(page), wide, high)

    @staticmethod
    def _title(page):
        return page.letters * 0.95 * MILLIMETRES * LINE + 2


class Table:
    """Rows of texts under a row of headings; columns of numbers are aligned to the right.

    Long texts are wrapped if the letters would become too small otherwise.

    Parameters
    ----------
    rows : sequence of sequences
    marks : bool
        The cells have fpdf2's marks, such as ``**bold**``.
    head : bool
        The first row has the headings.
    """

    def __init__(self, rows: Sequence[Sequence[Any]], marks: bool = False, head: bool = True):
        self.rows: list[list[str]] = [[str(cell) for cell in row] for row in rows]
        columns = zip(*(self.rows[1:] if head else []), strict=True)
        right = [all(map(_is_number, column)) for column in columns]
        self.right: list[bool] = right or [False] * len(rows[0])
        self.marks: bool = marks
        self.head: bool = head

    def height(self, page: "Page", width: float) -> float:
        """Return its height in a column of a width."""
        letters, widths = self._fit(page, width)
        return sum(self._row(page, index, letters, widths) for index in range(len(self.rows))) + 3

    def draw(self, page: "Page", x: float, y: float, width: float) -> None:
        """Draw it with its upper left corner at (x, y)."""
        letters, widths = self._fit(page, width)
        for index in range(len(self.rows)):
            left, top = x, y + 0.18 * letters * MILLIMETRES
            for column, (cell, room, how) in enumerate(self._cells(index, letters, widths)):
                page.text(cell, left, top, room, letters, right=self.right[column], **how)
                left += widths[column]
            y += self._row(page, index, letters, widths)
            page.line(x, y, width, GREY, 0.7 if self.head and index == 0 else 0.2)

    def _row(self, page, index, letters, widths):
        """Return the height of a row: that of its highest cell."""
        cells = self._cells(index, letters, widths)
        highest = max(page.text_height(cell, room, letters, **how) for cell, room, how in cells)
        return highest + 0.12 * letters * MILLIMETRES

    def _cells(self, index, letters, widths):
        """Return ``(text, width, font options)`` of the cells of a row."""
        how = {"bold": self.head and index == 0, "markdown": self.marks}
        rooms = [one - letters * MILLIMETRES for one in widths[:-1]] + widths[-1:]
        return [(cell, room, how) for cell, room in zip(self.rows[index], rooms, strict=True)]

    def _fit(self, page, width):
        """Return the size of the letters and the widths of the columns."""
        letters = page.letters * 0.85
        needed = self._needed(page, letters)
        total = sum(needed)
        if total <= width:
            return letters, [one + (width - total) / len(needed) for one in needed]
        if total * SMALLEST <= width:
            return letters * width / total, [one * width / total for one in needed]
        letters *= SMALLEST
        needed = self._needed(page, letters)
        fair = width / len(needed)  # wide columns share what narrow ones leave of it
        wide = sum(max(one - fair, 0) for one in needed)
        spare = width - sum(min(one, fair) for one in needed)
        return letters, [min(one, fair) + max(one - fair, 0) / wide * spare for one in needed]

    def _needed(self, page, letters):
        """Return the widths with which no cell is wrapped."""
        return [
            max(page.text_width(cell, letters, bold=True) for cell in column)
            + letters * MILLIMETRES * 1.05
            for column in zip(*self.rows, strict=True)
        ]


def _is_number(text):
    return re.fullmatch(r"\[?[-–\d][\d.,e+ ±-]*\]?|[-–]|nan|inf|", text) is not None
