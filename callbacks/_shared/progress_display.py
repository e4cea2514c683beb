"""The displays of `ProgressBar`: a live bar on a terminal, plain lines in files.

That of notebooks is in `firstlight.callbacks._shared.notebook_display`.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from firstlight.support.printable import is_terminal, printable, tell

if TYPE_CHECKING:
    from firstlight.callbacks._shared.notebook_display import NotebookDisplay

FIRST, LAST = ("epoch", "step"), ("lr", "seconds")
GAP = "  "  # between columns
WIDTHS = {"epoch": 5, "step": 6, "seconds": 7}  # at least; all others: 8


def open_display() -> "LiveDisplay | NotebookDisplay | PlainDisplay":
    """Return a live display if standard output is a terminal or a notebook, else a plain one."""
    stream = sys.stdout
    if type(stream).__module__ == "ipykernel.iostream":  # not redirected, not %%capture
        from firstlight.callbacks._shared.notebook_display import NotebookDisplay

        return NotebookDisplay()
    if is_terminal(stream) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI"):
        return LiveDisplay(stream)
    return PlainDisplay()


class LiveDisplay:
    """A bar at the bottom of a terminal; finished lines scroll above it."""

    live: bool = True

    def __init__(self, stream: TextIO) -> None:
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
        # Print text and warnings above the bar, unless they go to a file.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stderr=is_terminal(sys.stderr),
        )
        self._live.start()

    @property
    def width(self) -> int:
        """Columns to use: room is left at the edge for the ^C that a terminal adds."""
        return self._console.width - 3

    def draw(self, epoch: str, done: int, total: int, texts: Iterable[str]) -> None:
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

    def epoch(self, table: "EpochTable", values: Mapping[str, float | str], best: bool) -> None:
        """Print a finished epoch's row, below the header if the columns are new."""
        header, row = table.add(values, self.width)
        self._live.update(self._text(""), refresh=True)  # the bar is of steps before this row
        if header:
            self.line(header, "bold")
            self.line(self._marks[1] * len(header), "dim")
        self.line(f"{row} *" if best else row, "green" if best else "")

    def line(self, text: str, style: str = "") -> None:
        """Print a line that stays."""
        self._console.print(self._text(printable(text), style=style))

    def close(self) -> None:
        """Remove the bar and restore the terminal."""
        self._live.stop()


class PlainDisplay:
    """Lines for log files, each complete in itself."""

    live: bool = False

    def draw(self, epoch: str, _done: int, _total: int, texts: Iterable[str]) -> None:
        """Print a line in the middle of an epoch."""
        self.line(GAP.join([f"epoch {epoch}", *texts]))

    def epoch(self, _table: "EpochTable", values: Mapping[str, float | str], best: bool) -> None:
        """Print a finished epoch's line."""
        texts = [f"{name} {value_text(name, value)}" for name, value in values.items()]
        self.line(GAP.join(texts) + (" *" if best else ""))

    def line(self, text: str, _style: str = "") -> None:
        """Print a line."""
        tell(printable(text))

    def close(self) -> None:
        """Do nothing: every line has been printed."""


def value_text(name: str, value: float | str) -> str:
    """Return a value as text: four decimals, or an exponent if four decimals show too little.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_display import value_text
    >>> value_text("val_loss", 0.123456), value_text("val_loss", 1.2e-5), value_text("lr", 0.001)
    ('0.1235', '1.2e-05', '1.00e-03')
    """
    if isinstance(value, (int, str)):
        return str(value)
    if name == "lr":
        return f"{value:.2e}"
    if name == "seconds":
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.1e}"


def duration(seconds: float) -> str:
    """Return a duration as text.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_display import duration
    >>> duration(3.21), duration(75), duration(3725)
    ('3.2 s', '1:15', '1:02:05')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of an epoch's values in the order of the table.

    Names with a "/", such as ``update_ratio/...`` of each layer, are left out: they are too many.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_display import in_order
    >>> in_order(["val_loss", "lr", "train_loss", "train_loss_step", "step", "epoch", "time"])
    ['epoch', 'step', 'train_loss', 'val_loss', 'lr']
    """
    names = [n for n in names if n != "time" and not n.endswith("_step") and "/" not in n]
    inner = [name for name in names if name not in FIRST + LAST]
    inner.sort(key=lambda name: 2 - name.startswith("val_") - 2 * name.startswith("train_"))
    return [n for n in FIRST if n in names] + inner + [n for n in LAST if n in names]


class EpochTable:
    """A table of logged values that is printed line by line.

    Parameters
    ----------
    validates : bool
        Have a validation column for each training column from the first row on.

    Attributes
    ----------
    columns : dict of str to int
        Names and widths; empty before the first row.
    """

    def __init__(self, validates: bool = False) -> None:
        self.validates = validates
        self.columns: dict[str, int] = {}
        self._names = []

    def add(self, values: Mapping[str, float | str], width: int) -> tuple[str | None, str]:
        """Return ``(header, row)`` of an epoch's values; the header is None if it has not changed.

        Parameters
        ----------
        values : dict
            By name; a missing value is shown as a dash.
        width : int
            Of the terminal; columns that do not fit are left out, less important ones first.
        """
        names = dict.fromkeys([*self._names, *values])
        if self.validates:
            names |= {f"val_{n[6:]}": None for n in in_order(values) if n.startswith("train_")}
        names = list(names)
        header = None
        if names != self._names:
            self._names = names
            self.columns = self._fitting(in_order(names), values, width)
            header = self._line({name: name for name in self.columns})
        return header, self._line({n: value_text(n, values.get(n, "-")) for n in self.columns})

    def _line(self, texts: Mapping[str, str]) -> str:
        return GAP.join(text.rjust(self.columns[name]) for name, text in texts.items())

    @staticmethod
    def _fitting(names: list[str], values: Mapping[str, float | str], width: int) -> dict[str, int]:
        widths = {
            name: max(len(name), WIDTHS.get(name, 8), len(value_text(name, values.get(name, ""))))
            for name in names
        }
        for name in ("step", "lr", *[n for n in reversed(names) if n not in FIRST + LAST]):
            if sum(widths.values()) + len(GAP) * (len(widths) - 1) <= width:
                break
            widths.pop(name, None)
        return widths


def bar_line(
    epoch: str, done: int, total: int, texts: Iterable[str], width: int, marks: str = "━─"
) -> tuple[str, str, str, str]:
    """Return the parts ``(before, filled, empty, after)`` of a line with a bar.

    Parameters
    ----------
    epoch : str
        The number before the bar.
    done, total : int
        Filled and whole length of the bar.
    texts : list of str
        After the bar; those that do not fit are left out, the last but one first.
    width : int
    marks : str of length 2
        Characters of the filled and of the empty part.

    Examples
    --------
    >>> from firstlight.callbacks._shared.progress_display import bar_line
    >>> "".join(bar_line("1/2", 5, 10, ["5/10", "loss 0.1234"], 41, "#-"))
    'epoch 1/2 ######------  5/10  loss 0.1234'
    """
    before = f"epoch {epoch} "
    texts = list(texts)
    while len(texts) > 1 and width < len(before) + 8 + _length(texts):
        texts.pop(-2)
    length = max(0, min(30, width - len(before) - _length(texts)))
    filled = min(length, length * done // max(1, total))
    after = "".join(GAP + text for text in texts)
    return before, marks[0] * filled, marks[1] * (length - filled), after


def _length(texts: Iterable[str]) -> int:
    return sum(len(GAP) + len(text) for text in texts)
