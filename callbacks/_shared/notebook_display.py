"""The display of `ProgressBar` below a notebook's cell."""

import time
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from firstlight.callbacks._shared.progress_display import GAP, EpochTable, value_text
from firstlight.support.html import table as html_table
from firstlight.support.printable import printable, tell

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

WIDE = 1000  # columns of text: no column of the table is left out
SECONDS = 0.25  # between two updates of the table: Jupyter limits the data per second
SCROLL = (  # a long table shows its end
    '<div style="max-height:60em;overflow:auto;display:flex;flex-direction:column-reverse">'
    "<div>{}</div></div>"
)


class NotebookDisplay:
    """A table of the finished epochs, and below it a bar, which disappears at the end.

    They are HTML that is redrawn in place, so that they need no widgets and stay in the notebook's
    file. Text is kept beside it, for frontends and exports without HTML.
    """

    live: bool = True

    def __init__(self) -> None:
        self._rows: list[dict[str, float | str]] = []
        self._lines: list[str] = []  # of the same table as text
        self._columns: list[str] = []
        self._next_table = 0.0
        self._shown: dict[str, DisplayHandle] = {}

    def draw(self, epoch: str, done: int, total: int, texts: Iterable[str]) -> None:
        """Redraw the bar."""
        if "table" not in self._shown:
            self._show_table()  # above the bar
        text = printable(GAP.join([f"epoch {epoch}", *texts]))
        bar = f'<progress value="{done}" max="{total}" style="width:16em"></progress>'
        self._show("bar", f'<div style="white-space:pre">{bar}{GAP}{escape(text)}</div>', text)

    def epoch(self, table: EpochTable, values: Mapping[str, float | str], best: bool) -> None:
        """Add a finished epoch's row to the table."""
        header, row = table.add(values, WIDE)
        mark = "*" if best else ""
        self._lines += [header] * (header is not None) + [f"{row} {mark}".rstrip()]
        self._columns = list(table.columns)
        self._rows.append({**values, "": mark})
        if time.perf_counter() >= self._next_table:
            self._show_table()

    def line(self, text: str, _style: str = "") -> None:
        """Print a line."""
        tell(printable(text))

    def close(self) -> None:
        """Show the whole table, and remove the bar."""
        self._show_table()
        if "bar" in self._shown:
            self._show("bar", "", "")

    def _show_table(self) -> None:
        names = [*self._columns, ""]
        rows = [[value_text(name, row.get(name, "-")) for name in names] for row in self._rows]
        whole = SCROLL.format(html_table([names, *rows], left=0)) if rows else ""
        self._show("table", whole, printable("\n".join(self._lines)))
        self._next_table = time.perf_counter() + SECONDS

    def _show(self, name: str, html: str, text: str) -> None:
        from IPython.display import display

        content = {"text/html": html, "text/plain": text}
        if name in self._shown:
            self._shown[name].update(content, raw=True)
        else:
            self._shown[name] = display(content, raw=True, display_id=True)
