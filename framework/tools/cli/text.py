"""Tables and summaries as plain text."""

import math
import sys

from firstlight.support.printable import one_line, printable

BARS = "▁▂▃▄▅▆▇█"


def tell(*parts, **options):
    """Print, without what would confuse a terminal: names and notes may come from anybody."""
    print(*(printable(str(part)) for part in parts), **options)


def table(rows, indent="", right=()):
    """Return rows of strings as aligned columns; those whose index is in ``right`` at the right."""
    rows = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(indent + line.rstrip() for line in lines)


def sparkline(values, width=40):
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


def number(value):
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


def brief(text, most=48):
    """Return a text of so many characters at most; of a longer one its two ends.

    Examples
    --------
    >>> from firstlight.tools.cli.text import brief
    >>> brief("Net(Linear(64, 128), ReLU(), Linear(128, 10))", 21)
    'Net(Linear…(128, 10))'
    """
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def took(seconds):
    """Return a duration as people say it: ``4.2 s``, ``3:05 min``, ``2:00 h``."""
    seconds = float(seconds or 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if seconds < 3600:
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"


def summary(target):
    """Return the first sentence of a docstring, on one line and without the class's name."""
    doc = (target.__doc__ or "").strip().split("\n\n")[0]
    text = " ".join(doc.replace("`", "").split())
    name, colon, rest = text.partition(": ")
    return rest if colon and name == getattr(target, "__name__", None) else text


def console():
    """Return rich's console on standard output; a reader that has gone is a BrokenPipeError."""
    from rich.console import Console

    class Raising(Console):
        def on_broken_pipe(self):
            raise BrokenPipeError  # rich would end the process as failed

    return Raising(file=sys.stdout)


def measured(metrics):
    """Return ``(words, number)`` pairs: ``{"test_acc": 0.97}`` reads test accuracy 0.9700."""
    return [
        (name.replace("_", " ").replace(" acc", " accuracy"), f"{value:.4f}")
        for name, value in sorted(metrics.items())
    ]
