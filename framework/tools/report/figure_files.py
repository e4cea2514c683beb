"""Files of a matplotlib figure: SVG, PDF, and its numbers as CSV."""

import csv
import io
import re
from typing import TYPE_CHECKING

from firstlight.tools.figures import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def as_file(figure: "Figure", kind: str) -> bytes:
    """Return a figure as the bytes of a file, "svg" or "pdf", without empty margins."""
    from matplotlib import rc_context

    content = io.BytesIO()
    dates = {"Date": None} if kind == "svg" else {"CreationDate": None}
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "firstlight"}):
        figure.savefig(content, format=kind, transparent=True, metadata=dates, bbox_inches="tight")
    return content.getvalue()


def width_of(svg: bytes) -> float:
    """Return the inches that a picture of matplotlib is wide."""
    return float(re.search(rb'<svg[^>]* width="([\d.]+)pt"', svg)[1]) / 72


def number_files(figure: "Figure", name: str) -> dict[str, str]:
    """Return the names and texts of the CSV files of a figure's numbers.

    There is one for each table, called as the figure if it is the only one; none for photographs.
    """
    tables = numbers(figure)
    return {
        f"{name if len(tables) == 1 else f'{name}_{_plain(panel)}'}.csv": as_csv(
            [list(table), *zip(*table.values(), strict=True)]
        )
        for panel, table in tables.items()
    }


def as_csv(rows) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _plain(text):
    """Return a text as a part of a file's name."""
    return re.sub(r"\W+", "_", text).strip("_").lower()
