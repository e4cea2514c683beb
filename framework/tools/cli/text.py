"""Text that the commands print: tables, numbers, durations, lines of bars."""

import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from firstlight.support.printable import is_terminal, one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from firstlight.plugins import Registry

BARS = "▁▂▃▄▅▆▇█"
FOLDED = 24  # longer cells may take several lines on a terminal


class Table(str):
    """A table as plain text, in aligned columns; `tell` draws it with rich on a terminal.

    Attributes
    ----------
    rows : list of list of str
    head : bool
        Whether the first row has the columns' names.
    right : collection of int
        The columns that are aligned at the right.
    """

    rows: list[list[str]]
    head: bool
    right: Collection[int]

    def draw(self) -> None:
        """Print with bold titles; cells of more than `FOLDED` characters may take several lines.

        A table that is still too wide is wrapped by the terminal, so that numbers stay whole.
        """
        from rich.table import Table as RichTable
        from rich.text import Text

        drawn = RichTable(box=None, show_header=self.head, pad_edge=False, padding=(0, 2, 0, 0))
        for index, column in enumerate(zip(*self.rows, strict=True)):
            title, side = Text(column[0] * self.head), "right" if index in self.right else "left"
            width = max(map(len, column))
            least = width if index == 0 or width <= FOLDED else FOLDED
            drawn.add_column(title, justify=side, overflow="fold", min_width=least)
        for row in self.rows[self.head :]:
            drawn.add_row(*map(Text, row))
        screen = console()
        needed = screen.measure(drawn, options=screen.options.update(max_width=sys.maxsize)).minimum
        screen.width = max(screen.width, needed)
        screen.print(drawn)


def table(
    rows: Iterable[Iterable[object]],
    indent: str = "",
    right: Collection[int] = (),
    head: bool = False,
) -> Table:
    """Return rows of cells as a `Table`; each line of the plain text begins with ``indent``."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
    made = Table("\n".join(indent + line.rstrip() for line in lines))
    made.rows, made.head, made.right = cells, head, right
    return made


def tell(*parts: object, **options: Any) -> None:
    """Print parts without control characters: names and notes may come from other people.

    The options are those of `print`; a `Table` is printed alone.
    """
    (part,) = parts if len(parts) == 1 else ("",)
    if isinstance(part, Table) and is_terminal(sys.stdout):
        part.draw()
    else:
        print(*(printable(str(part)) for part in parts), **options)


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return values as a line of bars, the mean of each ``1 / width`` of them; gaps for NaN.

    Examples
    --------
    >>> from firstlight.tools.cli.text import sparkline
    >>> sparkline([1, 2, 3, float("nan"), 4])
    '▁▃▆ █'
    """
    count = min(width, len(values))
    cuts = [round(i * len(values) / count) for i in range(count + 1)] if count else []
    parts = [values[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    parts = [[v for v in part if math.isfinite(v)] for part in parts]
    means = [math.fsum(part) / len(part) if part else math.nan for part in parts]
    there = [mean for mean in means if math.isfinite(mean)]
    if not there:
        return " " * count
    low, high = min(there), max(there)
    scale = (len(BARS) - 1) / ((high - low) or 1.0)
    return "".join(
        BARS[round((mean - low) * scale)] if math.isfinite(mean) else " " for mean in means
    )


def number(value: object) -> str:
    """Return a value for a table: four significant digits, long counts in full, "-" for None.

    Examples
    --------
    >>> from firstlight.tools.cli.text import number
    >>> [number(v) for v in (0.123456, 0.97, 12345, 1e-5, None, [512, 256], "adam")]
    ['0.1235', '0.97', '12345', '1e-05', '-', '512,256', 'adam']
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ",".join(map(number, value))
    return str(value)


def brief(text: str, most: int = 48) -> str:
    """Shorten a text to ``most`` characters: keep its two ends.

    Examples
    --------
    >>> from firstlight.tools.cli.text import brief
    >>> brief("Net(Linear(64, 128), ReLU(), Linear(128, 10))", 21)
    'Net(Linear…(128, 10))'
    """
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def took(seconds: float | None) -> str:
    """Return a duration as text: ``4.2 s``, ``3:05 min``, ``2:00 h``."""
    seconds = float(seconds or 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"


def summary(target: Callable) -> str:
    """Return the first sentence of a docstring, on one line and without the class's name."""
    doc = (target.__doc__ or "").strip().split("\n\n")[0]
    text = " ".join(doc.replace("`", "").split())
    name, colon, rest = text.partition(": ")
    return rest if colon and name == getattr(target, "__name__", None) else text


def described(registry: "Registry", name: str) -> str:
    """Return the summary of a registered name; of one that cannot be imported, the reason."""
    try:
        return registry.summaries[name] or summary(registry.get(name))
    except Exception as error:  # of a plugin's module; one of them must not hide all others
        return f"cannot be used: {error}"


def console() -> "Console":
    """Return rich's console on standard output; a reader that has gone is a BrokenPipeError."""
    from rich.console import Console

    class Raising(Console):
        def on_broken_pipe(self):
            raise BrokenPipeError  # rich would end the process as failed

    return Raising(file=sys.stdout)


def measured(metrics: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return ``(words, number)`` pairs: ``{"test_acc": 0.97}`` reads test accuracy 0.9700."""
    return [
        (name.replace("_", " ").replace(" acc", " accuracy"), f"{value:.4f}")
        for name, value in sorted(metrics.items())
    ]
