"""Where progress is shown: a live bar on a terminal, plain lines elsewhere."""

import os
import sys

from firstlight.callbacks._shared.progress_text import GAP, bar_line, value_text
from firstlight.support.printable import is_terminal, printable, tell


def open_display():
    """Return the display that suits standard output."""
    stream = sys.stdout
    if is_terminal(stream) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        return LiveDisplay(stream)
    return PlainDisplay()


class LiveDisplay:
    """A bar at the bottom of a terminal; finished lines scroll away above it."""

    live = True

    def __init__(self, stream) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        self._text = Text
        self._console = Console(file=stream, highlight=False)
        try:
            "━─".encode(getattr(stream, "encoding", None) or "ascii")
            self._marks = "━─"
        except UnicodeEncodeError:
            self._marks = "#-"
        # Printed text, warnings too, then goes above the bar; unless it goes to a file.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stderr=is_terminal(sys.stderr),
        )
        self._live.start()

    @property
    def width(self):
        """Columns to use: room is left at the edge for the ^C that a terminal adds."""
        return self._console.width - 3

    def draw(self, epoch, done, total, texts):
        """Redraw the bar."""
        before, filled, empty, after = bar_line(epoch, done, total, texts, self.width, self._marks)
        self._live.update(
            self._text.assemble(
                printable(before),
                (filled, "green"),
                (empty, "dim"),
                printable(after),
                no_wrap=True,
                overflow="crop",
            ),
            refresh=True,
        )

    def epoch(self, table, values, best):
        """Print a finished epoch's row, below the header if the columns are new."""
        header, row = table.add(values, self.width)
        self._live.update(self._text(""), refresh=True)  # the bar is of steps before this row
        if header:
            self.line(header, "bold")
            self.line(self._marks[1] * len(header), "dim")
        self.line(f"{row} *" if best else row, "green" if best else "")

    def line(self, text, style=""):
        """Print a line that stays."""
        self._console.print(self._text(printable(text), style=style))

    def close(self):
        """Remove the bar and give the terminal back."""
        self._live.stop()


class PlainDisplay:
    """Lines that each make sense alone, for log files."""

    live = False

    def draw(self, epoch, _done, _total, texts):
        """Print a line in the middle of an epoch."""
        self.line(GAP.join([f"epoch {epoch}", *texts]))

    def epoch(self, _table, values, best):
        """Print a finished epoch's line."""
        texts = [f"{name} {value_text(name, value)}" for name, value in values.items()]
        self.line(GAP.join(texts) + (" *" if best else ""))

    def line(self, text, _style=""):
        """Print a line."""
        tell(printable(text))

    def close(self):
        """Do nothing: every line is out already."""
