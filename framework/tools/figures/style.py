"""The style of all figures: colours that everybody can tell apart, and the size of letters.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which people with any of
the usual colour-vision deficiencies can tell apart. Their yellow is left out: it is too pale for a
line on white. Where colours mean something, a line style, a marker or a word says it as well.

No letter in a figure is smaller than `SMALLEST` points. A figure that is printed k times as wide as
it was made then has letters of k times that, so the size of letters in print is a matter of the
figure's width alone: inside of `printed` no figure is made wider than the print allows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf, isfinite

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GRAY, BLACK = "#E69F00", "#56B4E9", "#7F7F7F", "#000000"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
CURVES = (BLUE, VERMILION, GREEN, BLACK, ORANGE, SKY, PURPLE)
SOLID = 4  # of these, which everybody can tell apart by the colour alone
LINES = (("-", "--"), (":", "-."))
MARKERS = "osD^vPX*<>ph"

SMALLEST = 8.0  # points
POSTER = 24.0  # points on a poster, to be read from a metre and a half

_widest: ContextVar[float] = ContextVar("widest", default=inf)


def series(index: int) -> tuple[str, str]:
    """Return colour and line style of the curve with a number; 14 of them differ."""
    again, place = divmod(index, len(CURVES))
    return CURVES[place], LINES[again % len(LINES)][place >= SOLID]


@contextmanager
def printed(width: float, points: float = POSTER) -> Iterator[None]:
    """Make the figures of a block for a print: no letter is smaller than ``points`` there.

    The figures are made narrower, with fewer pictures or panels side by side. Only those that
    cannot be narrow, such as many attention maps of long texts, stay wider.

    Parameters
    ----------
    width : float
        Inches that a figure is wide in print, such as the width of a poster's column.
    points : float
        The size of the smallest letters in print.

    Raises
    ------
    ValueError
        A width or a size that is not positive.

    Examples
    --------
    >>> from firstlight.tools.figures import curves, printed
    >>> records = [{"step": 10 * e, "epoch": e, "time": e, "val_loss": 1 / e} for e in (1, 2, 3)]
    >>> with printed(9.0):  # inches: a column of an A0 poster
    ...     figure = curves(records)
    >>> float(figure.get_figwidth())  # its letters of 8 points have 24 points at 9 inches
    3.0
    """
    for name, value in (("width", width), ("points", points)):
        if not (isfinite(value) and value > 0):
            raise ValueError(f"printed: expected a positive {name}, got {value}")
    token = _widest.set(width * SMALLEST / points)
    try:
        yield
    finally:
        _widest.reset(token)


def widest() -> float:
    """Return the inches that a figure may be wide; infinity outside of `printed`."""
    return _widest.get()
