"""Blocks: what a poster's columns are filled with; each knows its height, and draws itself.

Lengths are millimetres of an A0 page, letters points on it; `firstlight.report.page` scales both.
"""

import re

DARK, GREY, ACCENT = (27, 31, 36), (89, 99, 110), (232, 113, 10)
LINE = 1.38  # of a line, in heights of its letters
MILLIMETRES = 25.4 / 72  # of a point


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


class Text:
    """Paragraphs, and items of lists."""

    def __init__(self, parts):
        self.parts = [(is_item, plain_marks(text)) for is_item, text in parts]

    def height(self, page, width):
        """Return its height in a column of a width."""
        gap = page.letters * MILLIMETRES * 0.5
        return sum(
            page.text_height(t, width - self._indent(page, i), page.letters) + gap
            for i, t in self.parts
        )

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        for is_item, text in self.parts:
            indent = self._indent(page, is_item)
            if is_item:
                page.text("•", x, y, indent, page.letters, colour=ACCENT)
            page.text(text, x + indent, y, width - indent, page.letters)
            y += page.text_height(text, width - indent, page.letters)
            y += page.letters * MILLIMETRES * 0.5

    @staticmethod
    def _indent(page, is_item):
        return page.letters * MILLIMETRES * 1.1 if is_item else 0


class Table:
    """Rows of texts under a row of headings; columns of numbers stand to the right."""

    def __init__(self, rows):
        self.rows = [[str(cell) for cell in row] for row in rows]
        body = zip(*self.rows[1:], strict=True) if len(self.rows) > 1 else []
        self.right = [all(map(_is_number, column)) for column in body] or [False] * len(rows[0])

    def height(self, page, width):
        """Return its height in a column of a width."""
        return len(self.rows) * self._row(page, width) + 3

    def draw(self, page, x, y, width):
        """Draw it with its upper left corner at (x, y)."""
        letters, widths = self._fit(page, width)
        gap = letters * MILLIMETRES
        row_height = self._row(page, width)
        for index, row in enumerate(self.rows):
            left = x
            for column, (cell, share) in enumerate(zip(row, widths, strict=True)):
                page.text(
                    cell,
                    left,
                    y + 0.12 * row_height,
                    share - gap * (column < len(row) - 1),
                    letters,
                    bold=index == 0,
                    right=self.right[column],
                    markdown=False,
                )
                left += share
            y += row_height
            page.line(x, y, width, GREY, 0.7 if index == 0 else 0.2)

    def _row(self, page, width):
        return self._fit(page, width)[0] * MILLIMETRES * 1.5

    def _fit(self, page, width):
        """Return the size of its letters and the widths of its columns."""
        letters = page.letters * 0.85
        gap = letters * MILLIMETRES
        needed = [
            max(page.text_width(cell, letters, bold=True) for cell in column) + gap
            for column in zip(*self.rows, strict=True)
        ]
        total = sum(needed)
        if total > width:
            return letters * width / total, [one * width / total for one in needed]
        return letters, [one + (width - total) / len(needed) for one in needed]


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


def plain_marks(text):
    """Return Markdown with the marks that fpdf2 knows: ``**bold**`` and ``__italic__``.

    Examples
    --------
    >>> from firstlight.report.blocks import plain_marks
    >>> plain_marks("*so* `x` -- [a link](https://example.org) **bold**")
    '__so__ x – a link **bold**'
    """
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = text.replace("`", "").replace("--", "–")
    return re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?![*\w])", r"__\1__", text)


def _is_number(text):
    return re.fullmatch(r"[-–\d][\d.,e+ ±-]*|[-–]|nan|inf", text) is not None
