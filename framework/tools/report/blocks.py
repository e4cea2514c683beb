"""Blocks: what a poster's columns are filled with; each knows its height, and draws itself.

Lengths are millimetres of an A0 page, letters points on it; `firstlight.tools.report.page` scales
both.
"""

import re
from dataclasses import dataclass

DARK, GREY, ACCENT = (27, 31, 36), (89, 99, 110), (232, 113, 10)
LINE = 1.38  # of a line, in heights of its letters
MILLIMETRES = 25.4 / 72  # of a point
STEP = 1.3  # of an indented line, in heights of its letters
MONO = 0.603  # width of a letter of DejaVu Sans Mono, in its height
ESCAPE = "\ue000"  # before a mark that is to be shown; a letter that no text has, as "\\" would be
SMALLEST = 0.7  # letters of a table that is too wide, as a share of what they should be


class Heading:
    """A section's heading, with a line below it."""

    def height(self, page, width):
        """Return its height in a column of a width."""
        return page.letters * 1.45 * MILLIMETRES * LINE + 4

    def __init__(self, title):
        self.title = title

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        height = self.height(page, width)
        page.text(self.title, x, y, width, page.letters * 1.45, bold=True, colour=ACCENT)
        page.line(x, y + height - 2, width, ACCENT, 1.2)


@dataclass
class Line:
    """A paragraph, or an item of a list, in the marks that fpdf2 knows: ``**bold**``.

    Attributes
    ----------
    text, marker : str
        The marker, such as "•", stands to the left.
    level : int
        How far the text is moved to the right, in steps.
    """

    text: str
    marker: str = ""
    level: int = 0


class Text:
    """Paragraphs, and items of lists."""

    def __init__(self, lines):
        self.lines = lines

    def height(self, page, width):
        """Return its height in a column of a width."""
        gap = page.letters * MILLIMETRES * 0.5
        return sum(
            page.text_height(line.text, width - self._indent(page, line), page.letters) + gap
            for line in self.lines
        )

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        step = page.letters * MILLIMETRES * STEP
        for line in self.lines:
            indent = self._indent(page, line)
            if line.marker:
                page.text(line.marker, x + indent - step, y, step, page.letters, colour=ACCENT)
            page.text(line.text, x + indent, y, width - indent, page.letters)
            y += page.text_height(line.text, width - indent, page.letters)
            y += page.letters * MILLIMETRES * 0.5

    @staticmethod
    def _indent(page, line):
        return page.letters * MILLIMETRES * STEP * line.level


class Code:
    """Lines of a program or of output, in letters of equal width."""

    def __init__(self, text):
        self.lines = text.rstrip().expandtabs(4).splitlines() or [""]

    def height(self, page, width):
        """Return its height in a column of a width."""
        return len(self.lines) * self._letters(page, width) * MILLIMETRES * LINE + 4

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        letters = self._letters(page, width)
        for number, line in enumerate(self.lines):
            top = y + 2 + number * letters * MILLIMETRES * LINE
            page.text(line, x + 6, top, width, letters, mono=True, markdown=False)
        page.bar(x, y, 1.5, self.height(page, width), GREY)

    def _letters(self, page, width):
        """Return the size in which the longest line has room."""
        longest = max(len(line) for line in self.lines)
        return min(page.letters * 0.8, (width - 12) / max(longest, 1) / MONO / MILLIMETRES)


class Picture:
    """A picture from a file, as wide as its column lets it."""

    def __init__(self, path):
        from PIL import Image

        self.path = path
        with Image.open(path) as image:
            self.pixels = image.size

    def height(self, page, width):
        """Return its height in a column of a width."""
        return self._size(page, width)[1] + 2

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        wide, high = self._size(page, width)
        page.picture(self.path, x + (width - wide) / 2, y, wide, high)

    def _size(self, page, width):
        wide, high = self.pixels
        factor = min(width / wide, page.tallest / high) * page.figures
        return wide * factor, high * factor


class Table:
    """Rows of texts under a row of headings; columns of numbers stand to the right.

    Long texts are broken into lines where the letters would become too small otherwise.
    ``marks``: the cells have marks, such as ``**bold**``; without a ``head`` there are no headings.
    """

    def __init__(self, rows, marks=False, head=True):
        self.rows = [[str(cell) for cell in row] for row in rows]
        body = self.rows[1:] if head else []
        columns = zip(*body, strict=True)
        self.right = [all(map(_is_number, column)) for column in columns] or [False] * len(rows[0])
        self.marks, self.head = marks, head

    def height(self, page, width):
        """Return its height in a column of a width."""
        letters, widths = self._fit(page, width)
        return sum(self._row(page, index, letters, widths) for index in range(len(self.rows))) + 3

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        letters, widths = self._fit(page, width)
        for index, row in enumerate(self.rows):
            left = x
            for column, cell in enumerate(row):
                page.text(
                    cell,
                    left,
                    y + 0.18 * letters * MILLIMETRES,
                    self._room(letters, widths, column),
                    letters,
                    bold=self.head and index == 0,
                    right=self.right[column],
                    markdown=self.marks,
                )
                left += widths[column]
            y += self._row(page, index, letters, widths)
            page.line(x, y, width, GREY, 0.7 if self.head and index == 0 else 0.2)

    def _row(self, page, index, letters, widths):
        """Return the height of a row: that of its highest cell."""
        highest = max(
            page.text_height(
                cell,
                self._room(letters, widths, column),
                letters,
                bold=self.head and index == 0,
                markdown=self.marks,
            )
            for column, cell in enumerate(self.rows[index])
        )
        return highest + 0.12 * letters * MILLIMETRES

    def _room(self, letters, widths, column):
        """Return the width that a cell has for its text."""
        return widths[column] - letters * MILLIMETRES * (column < len(widths) - 1)

    def _fit(self, page, width):
        """Return the size of its letters and the widths of its columns."""
        letters = page.letters * 0.85
        needed = self._needed(page, letters)
        total = sum(needed)
        if total <= width:
            return letters, [one + (width - total) / len(needed) for one in needed]
        if total * SMALLEST <= width:
            return letters * width / total, [one * width / total for one in needed]
        letters *= SMALLEST
        needed = self._needed(page, letters)
        fair = width / len(needed)  # what narrow columns leave of it, wide ones share
        wide = sum(max(one - fair, 0) for one in needed)
        spare = width - sum(min(one, fair) for one in needed)
        return letters, [min(one, fair) + max(one - fair, 0) / wide * spare for one in needed]

    def _needed(self, page, letters):
        """Return the widths in which no cell has to be broken."""
        return [
            max(page.text_width(cell, letters, bold=True) for cell in column)
            + letters * MILLIMETRES * 1.05
            for column in zip(*self.rows, strict=True)
        ]


class Figure:
    """A matplotlib figure with a title."""

    def __init__(self, figure, title):
        self.figure, self.title = figure, title
        if figure.get_suptitle() and title:
            figure.suptitle("")  # the poster's words stand above it
        self.inches = figure.get_size_inches()

    def height(self, page, width):
        """Return its height in a column of a width."""
        return self._title(page) + self._size(page, width)[1] + 2

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        page.text(self.title, x, y, width, page.letters * 0.95, bold=True)
        wide, high = self._size(page, width)
        page.figure(self.figure, x + (width - wide) / 2, y + self._title(page), wide, high)

    def _size(self, page, width):
        """Return width and height; a high figure gets less than the column's width."""
        wide, high = self.inches
        factor = min(width / wide, page.tallest / high) * page.figures
        return wide * factor, high * factor

    @staticmethod
    def _title(page):
        return page.letters * 0.95 * MILLIMETRES * LINE + 2


def _is_number(text):
    return re.fullmatch(r"[-–\d][\d.,e+ ±-]*|[-–]|nan|inf", text) is not None
