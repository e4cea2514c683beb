"""Text and tables as rich prints them, on any terminal and in notebooks."""

import io
from typing import Any

from firstlight.support.printable import printable


def plain_text(renderable: Any) -> str:
    """Return an object that rich can print as plain text, 100 columns wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, color_system=None, force_jupyter=False)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def as_html(renderable: Any) -> str:
    """Return an object that rich can print as HTML, with the colours of a terminal."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, record=True, force_jupyter=False)
    console.print(renderable)
    page = '<pre style="font-family:monospace;line-height:normal">{code}</pre>'
    return console.export_html(inline_styles=True, code_format=page)


def table(console: Any) -> Any:
    """Return an empty rich table with a line below its head, in ASCII where needed."""
    from rich import box
    from rich.table import Table

    plain = not (console.encoding or "utf-8").lower().startswith("utf")
    return Table(box=box.ASCII if plain else box.SIMPLE_HEAD, pad_edge=False)


def marked(text: str) -> Any:
    """Return rich's text of a string with its marks, such as ``[bold]``."""
    from rich.text import Text

    return Text.from_markup(text)


def escaped(text: str) -> str:
    """Return a text without marks for rich and without control characters for the terminal."""
    from rich.markup import escape

    return escape(printable(text))
