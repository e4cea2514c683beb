"""Tables of HTML, as notebooks show objects; every text is escaped."""

from collections.abc import Iterable
from html import escape
from itertools import chain, repeat

LEFT = ' style="text-align:left;white-space:pre"'


def table(rows: Iterable[Iterable[object]], *, left: int = 1, below: Iterable[str] = ()) -> str:
    """Return rows of cells as an HTML table; the first row is its head.

    Parameters
    ----------
    rows : list of lists
    left : int
        The first columns, which are aligned at the left; the others at the right.
    below : list of str
        Lines below the table.

    Examples
    --------
    >>> from firstlight.support.html import table
    >>> table([["loss"], ["<0.1"]], left=0)
    '<table style="text-align:right"><tr><th>loss</th></tr><tr><td>&lt;0.1</td></tr></table>'
    """
    lines = [
        "".join(
            f"<{tag}{LEFT if column < left else ''}>{escape(str(cell))}</{tag}>"
            for column, cell in enumerate(row)
        )
        for tag, row in zip(chain(["th"], repeat("td")), rows, strict=False)
    ]
    whole = "".join(f"<tr>{line}</tr>" for line in lines)
    notes = "".join(f"<div>{escape(line)}</div>" for line in below)
    return f'<table style="text-align:right">{whole}</table>{notes}'
