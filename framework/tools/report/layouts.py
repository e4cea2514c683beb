"""The layouts of reports, posters and slides: templates of Typst and LaTeX, and their measures."""

from dataclasses import dataclass

from firstlight.tools.figures.style import POSTER, SMALLEST

PAPER = {"a0": (841, 1189), "a1": (594, 841)}  # millimetres, as ISO 216 rounds them
MARGINS, GUTTER = 2 * 34, 26  # millimetres of A0
SHARE = 0.75  # of a column: figures whose smallest letters have 24 points are as wide, at most
INCH = 25.4


@dataclass(frozen=True)
class Layout:
    """A template, and how it is used.

    Attributes
    ----------
    template : str
        The name of its files, and of its function.
    columns : int
    landscape : bool
    points : float
        The smallest letters of its figures, on A0; 0 if they keep their size.
    """

    template: str
    columns: int = 1
    landscape: bool = False
    points: float = 0.0

    @property
    def width(self) -> float:
        """Inches that a column is wide, on A0."""
        if self.template == "slides":
            return 284 / INCH
        page = PAPER["a0"][int(self.landscape)]
        return (page - MARGINS - GUTTER * (self.columns - 1)) / self.columns / INCH

    def share(self, inches: float) -> float | None:
        """Return the share of a column that a figure takes whose smallest letters are readable."""
        return inches * self.points / SMALLEST / self.width if self.points else None


LAYOUTS: dict[str, Layout] = {
    "portrait": Layout("poster", columns=2, points=POSTER),
    "landscape": Layout("poster", columns=3, landscape=True, points=POSTER),
    "three-columns": Layout("poster", columns=3, points=POSTER),
    "slides": Layout("slides", points=12.0),
}
REPORT = Layout("report")
