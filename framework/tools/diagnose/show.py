"""A report as text: a table with verdicts, then one sentence for each finding."""

import io

from firstlight.support.printable import printable

MARKS = {"ok": "ok", "wrong": "WRONG", "note": "note", "skipped": "-"}
COLOURS = {"ok": "green", "wrong": "bold red", "note": "yellow", "skipped": "dim"}


def as_text(report):
    """Return a report as plain text, 100 columns wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, color_system=None)
    draw(report, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def draw(report, console):
    """Print a report on a rich console."""
    from rich import box
    from rich.table import Table

    from firstlight.tools.diagnose.findings import KINDS

    plain = not (console.encoding or "utf-8").lower().startswith("utf")
    table = Table(box=box.ASCII if plain else box.SIMPLE_HEAD, pad_edge=False)
    for head in ("", "checked", "verdict", "detail"):
        table.add_column(head, overflow="fold")
    group = None
    for line in report.checks:
        mark = f"[{COLOURS[line.verdict]}]{MARKS[line.verdict]}[/]"
        shown = line.group if line.group != group else ""
        table.add_row(shown, escaped(line.subject), mark, escaped(line.detail))
        group = line.group
    console.print(table)
    for one in report.findings:
        console.print(f"[bold red]{KINDS[one.kind]}[/], {escaped(one.place)}", highlight=False)
        console.print(f"  {escaped(one.message)}", highlight=False)
        if one.next:
            console.print(f"  look at: {escaped(one.next)}", highlight=False)
    for one in report.notes:
        console.print(f"[yellow]note[/]: {escaped(one.message)}", highlight=False)
    found = len(report.findings)
    verdict = "nothing wrong" if not found else f"{found} finding{'s' * (found > 1)}"
    where = f" on {report.data}" if report.data else ""
    console.print(
        f"{escaped(report.model)}{escaped(where)}: {verdict}, {report.seconds:.1f} s",
        highlight=False,
    )


def escaped(text):
    """Return text as rich prints it letter by letter, without what would confuse a terminal."""
    from rich.markup import escape

    return escape(printable(text))
