"""The findings as text: all of them by group, then each problem with its reason and cure."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from firstlight.support.printable import is_terminal, printable
from firstlight.tools.doctor.examination import Examination, summary
from firstlight.tools.doctor.finding import FAULT, OK, WARNING, Finding

STYLES = {OK: "green", WARNING: "yellow", FAULT: "bold red"}
WORDS = {OK: "ok", WARNING: "warning", FAULT: "FAULT"}
WIDEST, WIDE, NARROWEST = 120, 80, 40  # columns; from WIDE on, subjects have their own
Line = list[tuple[str, str]]  # parts of a line, each with its style


def lines(found: Examination, width: int) -> Iterator[Line]:
    """Yield the page's lines, none wider than ``width`` columns unless a word is."""
    states = max(map(len, WORDS.values()))
    subjects = max(len(one.subject) for one in found.findings)
    for one in found.findings:
        indent, text = " " * (states + 2), f"{one.subject}: {one.found}"
        if width >= WIDE:
            indent, text = indent + " " * (subjects + 2), one.found
        parts = _wrapped(text, width - len(indent))
        state = WORDS[one.state]
        head = f"{state:<{states}}  " + f"{one.subject:<{subjects}}  " * (width >= WIDE)
        yield [(state, STYLES[one.state]), (head[len(state) :] + parts[0], "")]
        yield from ([(indent + part, "")] for part in parts[1:])
    for state in (WARNING, FAULT):
        for one in found.of(state):
            yield [("", "")]
            yield from _problem(one, width)
    yield [("", "")]
    worst = FAULT if found.of(FAULT) else WARNING if found.of(WARNING) else OK
    yield [(summary(found), STYLES[worst])]


def _problem(one: Finding, width: int) -> Iterator[Line]:
    """Yield a problem, why it matters, and its cure; the last ones are indented."""
    yield from (
        [(text, STYLES[one.state])]
        for text in _wrapped(f"{WORDS[one.state]}: {one.subject}: {one.found}", width)
    )
    for head, text in (("why   ", one.why), ("cure  ", one.cure)):
        for number, part in enumerate(_wrapped(text, width - 2 - len(head))):
            yield [("  " + (" " * len(head) if number else head), "dim"), (part, "")]


def _wrapped(text, width):
    """Return a text in lines; words such as paths stay whole."""
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(printable(text), max(width, 20), **options) or [""]


def show(found: Examination) -> None:
    """Print the page, in colours on a terminal."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    drawn = list(lines(found, width))
    if is_terminal(sys.stdout):
        try:
            from rich.console import Console
            from rich.text import Text
        except ImportError:  # which is among the findings
            pass
        else:
            console = Console(file=sys.stdout)
            for line in drawn:
                console.print(Text.assemble(*line), soft_wrap=True)
            return
    for line in drawn:
        print("".join(text for text, _ in line).rstrip())
