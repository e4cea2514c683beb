"""The page of a poster: it places blocks in two columns, and draws them."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.tools.report.blocks import (
    ACCENT,
    DARK,
    ESCAPE,
    GREY,
    LINE,
    MILLIMETRES,
    Block,
    Colour,
    Heading,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = {"a0": (841, 1189), "a1": (594, 841)}  # millimetres, as ISO 216 rounds them
MARGIN, GUTTER, FOOT = 34, 26, 26
LETTERS = (56, 52, 48, 44, *range(40, 23, -2))  # points on A0; the largest that fit are used
GAPS = 8, 45  # between two blocks, at least and at most
TITLE, LEAD = 96, 40  # points
TALLEST = 330


class Page:
    """One page, in millimetres of A0; a smaller one is the same, scaled.

    Parameters
    ----------
    size : {"a0", "a1"}
    title, lead, foot : str
        At the top, below that, and at the bottom.

    Attributes
    ----------
    letters : float
        Points of the body's letters.
    figures : float
        Share of the column's width that figures take.
    """

    def __init__(self, size: str, title: str, lead: str, foot: str):
        from fpdf import FPDF
        from matplotlib import get_data_path

        self.scale: float = SIZES[size][0] / SIZES["a0"][0]
        self.width: float = SIZES["a0"][0]
        self.bottom: float = SIZES[size][1] / self.scale
        self.letters: float = LETTERS[0]
        self.figures: float = 1.0
        self.column: float = (self.width - 2 * MARGIN - GUTTER) / 2
        self._pdf = FPDF(unit="mm", format=SIZES[size])
        self._pdf.set_auto_page_break(False)
        self._pdf.MARKDOWN_ESCAPE_CHARACTER = ESCAPE
        self._pdf.MARKDOWN_LINK_REGEX = re.compile("(?!)")  # no links: f[i](x) is text
        self._pdf.str_alias_nb_pages = None  # {nb} is text, not the number of pages
        self._pdf.set_margin(0)
        self._pdf.c_margin = 0
        fonts = Path(get_data_path()) / "fonts" / "ttf"
        for style, end in (("", ""), ("B", "-Bold"), ("I", "-Oblique"), ("BI", "-BoldOblique")):
            self._pdf.add_font("DejaVu", style, fonts / f"DejaVuSans{end}.ttf")
        self._pdf.add_font("Mono", "", fonts / "DejaVuSansMono.ttf")
        self._pdf.add_page()
        self._pdf.set_title(title)
        self._texts = title, lead, foot
        self._drawn, self._columns, self._heights = [], [], {}
        self._whole = self.width - 2 * MARGIN
        self._title = min(TITLE, TITLE * self._whole / self.text_width(title, TITLE, bold=True))
        self._top = MARGIN + (self._title * LINE * MILLIMETRES)
        self._top += self.text_height(lead, self._whole, LEAD) + 14
        self._room = self.bottom - self._top - FOOT - MARGIN / 2

    def place(self, blocks: Sequence[Block], figures: Sequence[float]) -> bool:
        """Place the blocks with the largest letters with which all fit; return whether they do.

        ``figures`` are the shares of a column's width that figures may take, the widest first.
        """
        if not self._fits(blocks, LETTERS[-1], figures[-1]):
            return False
        return any(self._fits(blocks, size, share) for size in LETTERS for share in figures)

    def as_pdf(self) -> bytes:
        """Draw the placed blocks, and return the bytes of a PDF file."""
        from pypdf import PdfReader, PdfWriter, Transformation

        from firstlight.tools.figures.canvas import as_bytes

        self._frame()
        for index, column in enumerate(self._columns):
            self._draw(column, MARGIN + index * (self.column + GUTTER))
        writer = PdfWriter(clone_from=io.BytesIO(bytes(self._pdf.output())))
        page, points = writer.pages[0], self.scale / MILLIMETRES
        for figure, x, y, width, height in self._drawn:
            drawn = PdfReader(io.BytesIO(as_bytes(figure, "pdf"))).pages[0]
            factor = width * points / float(drawn.mediabox.width)
            up = (self.bottom - y - height) * points
            place = Transformation().scale(factor).translate(x * points, up)
            page.merge_transformed_page(drawn, place)
        content = io.BytesIO()
        writer.write(content)
        return content.getvalue()

    # --- for blocks: text, lines, figures; lengths in millimetres of A0

    def scaled(self, size: Sequence[float], width: float) -> tuple[float, float]:
        """Return the size of a figure or picture in a column of a width, not above `TALLEST`."""
        wide, high = size
        factor = min(width / wide, TALLEST / high) * self.figures
        return wide * factor, high * factor

    def text(self, text: str, x: float, y: float, width: float, letters: float, **how: Any) -> None:
        """Write a text into a box, from its upper left corner; ``how`` as in `_cell`."""
        self._pdf.set_xy(x * self.scale, y * self.scale)
        self._cell(text, width, letters, **how)

    def text_height(self, text: str, width: float, letters: float, **how: Any) -> float:
        """Return the height of a text in a width; ``how`` as in `_cell`."""
        key = text, width, letters, *how.items()
        if key not in self._heights:
            height = self._cell(text, width, letters, dry_run=True, output="HEIGHT", **how)
            self._heights[key] = height / self.scale
        return self._heights[key]

    def text_width(self, text: str, letters: float, bold: bool = False) -> float:
        """Return the width of a text on one line."""
        self._pdf.set_font("DejaVu", "B" if bold else "", letters * self.scale)
        return self._pdf.get_string_width(text) / self.scale

    def line(self, x: float, y: float, width: float, colour: Colour, thickness: float) -> None:
        """Draw a line from (x, y) to the right."""
        self._pdf.set_draw_color(*colour)
        self._pdf.set_line_width(thickness * self.scale)
        self._pdf.line(*(self.scale * value for value in (x, y, x + width, y)))

    def bar(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Draw a filled rectangle from its upper left corner."""
        self._pdf.set_fill_color(*colour)
        self._pdf.rect(*(self.scale * value for value in (x, y, width, height)), style="F")

    def picture(self, path: Path, x: float, y: float, width: float, height: float) -> None:
        """Draw the picture in a file."""
        x, y, width, height = (self.scale * value for value in (x, y, width, height))
        self._pdf.image(path, x, y, width, height)

    def figure(self, figure: "Figure", x: float, y: float, width: float, height: float) -> None:
        """Place a matplotlib figure; `as_pdf` draws it."""
        self._drawn.append((figure, x, y, width, height))

    def _cell(
        self,
        text,
        width,
        letters,
        *,
        bold=False,
        mono=False,
        right=False,
        colour=DARK,
        markdown=True,
        **options,
    ):
        font = "Mono" if mono else "DejaVu"
        self._pdf.set_font(font, "B" if bold else "", letters * self.scale)
        self._pdf.set_text_color(*colour)
        return self._pdf.multi_cell(
            width * self.scale,
            letters * MILLIMETRES * LINE * self.scale,
            text,
            align="R" if right else "L",
            markdown=markdown and not bold,
            **options,
        )

    # --- placing

    def _fits(self, blocks, letters, figures):
        """Place the blocks in two columns of about the same height; return whether they fit."""
        self.letters, self.figures = letters, figures
        heights = [block.height(self, self.column) for block in blocks]
        places = [  # a heading stays with the block below it
            place for place in range(1, len(blocks)) if not isinstance(blocks[place - 1], Heading)
        ]

        def taller(place):
            return max(self._filled(heights[:place]), self._filled(heights[place:]))

        place = min(places, key=taller, default=len(blocks))
        self._columns = [blocks[:place], blocks[place:]]
        return taller(place) <= self._room

    @staticmethod
    def _filled(heights):
        return sum(heights) + GAPS[0] * max(len(heights) - 1, 0)

    def _draw(self, column, x):
        heights, y = [block.height(self, self.column) for block in column], self._top
        gaps = sum(not isinstance(block, Heading) for block in column[:-1])
        spare = (self._room - self._filled(heights)) / max(gaps, 1)
        wide = min(GAPS[0] + spare, GAPS[1])
        for block, height in zip(column, heights, strict=True):
            block.draw(self, x, y, self.column)
            y += height + (GAPS[0] if isinstance(block, Heading) else wide)

    def _frame(self):
        (title, lead, foot), whole = self._texts, self._whole
        self.bar(0, 0, self.width, 12, ACCENT)
        self.text(title, MARGIN, MARGIN - 6, whole, self._title, bold=True)
        below = MARGIN + self._title * LINE * MILLIMETRES
        self.text(lead, MARGIN, below, whole, LEAD, colour=GREY)
        self.line(MARGIN, self.bottom - FOOT - 4, whole, GREY, 0.5)
        letters = min(24, 24 * whole / max(self.text_width(foot, 24), 1))
        y = self.bottom - FOOT + 2
        self.text(foot, MARGIN, y, whole, letters, colour=GREY, markdown=False)
