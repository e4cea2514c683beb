"""The parts of a report or poster, in no language yet: headings, texts, tables, figures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

    from firstlight.tools.report.markup import Markup


@dataclass
class Part:
    """A part; ``name`` says what it tells, e.g. "results"."""

    name: str = ""

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        raise NotImplementedError


@dataclass
class Heading(Part):
    """The heading of a section (level 1), or of what is below it (level 2)."""

    title: str = ""
    level: int = 1

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.heading(markup.plain(self.title), self.level)


@dataclass
class Prose(Part):
    """The user's Markdown."""

    text: str = ""

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.text(self.text).strip()


@dataclass
class Note(Part):
    """A sentence of our own; ``kind`` is "plain", "quiet", "notice" or "problem"."""

    text: str = ""
    kind: str = "plain"

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.note(self.kind, markup.plain(self.text))


@dataclass
class Table(Part):
    """Rows of texts, the first with the titles if ``head``; those in ``best`` are highlighted.

    Columns of numbers are aligned to the right.
    """

    rows: Sequence[Sequence[Any]] = ()
    head: bool = True
    best: Sequence[int] = ()

    @property
    def right(self) -> list[bool]:
        """The columns of numbers."""
        columns = zip(*self.rows[1 if self.head else len(self.rows) :], strict=True)
        found = [all(_is_number(str(cell)) for cell in column) for column in columns]
        return found or [False] * len(self.rows[0])

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        rows = [[markup.plain(str(cell)) for cell in row] for row in self.rows]
        return markup.results(rows, self.right, self.head, self.best)


@dataclass
class Figure(Part):
    """A matplotlib figure; its file bears its name.

    ``share`` is the part of a column's width that it takes, None for its own width.
    """

    figure: "MatplotlibFigure | None" = None
    alt: str = ""
    share: float | None = None

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.figure(f"{self.name}.svg", "", self.alt or self.name, self.share)


@dataclass
class Code(Part):
    """Lines of a program or of output."""

    text: str = ""

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.code_block(self.text.rstrip())


@dataclass
class Facts(Part):
    """The few numbers at the top: ``(name, value)``."""

    rows: Sequence[tuple[str, str]] = ()

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.facts([(markup.plain(n), markup.plain(str(v))) for n, v in self.rows])


@dataclass
class Fold(Part):
    """Parts that a page of HTML shows on request."""

    title: str = ""
    parts: list[Part] = field(default_factory=list)

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.fold(markup.plain(self.title), written(self.parts, markup))


@dataclass
class Beside(Part):
    """Parts in two columns."""

    left: list[Part] = field(default_factory=list)
    right: list[Part] = field(default_factory=list)

    def written(self, markup: "Markup") -> str:
        """Return it in a language."""
        return markup.beside(written(self.left, markup), written(self.right, markup))


def written(parts: Iterable[Part], markup: "Markup") -> str:
    """Return parts in a language, with an empty line between them."""
    return "\n\n".join(text for part in parts if (text := part.written(markup)))


def every(parts: Iterable[Part], kind: type) -> Iterable[Any]:
    """Yield the parts of a kind, also those inside others."""
    for part in parts:
        if isinstance(part, kind):
            yield part
        inner = [one for name in ("parts", "left", "right") for one in _listed(part, name)]
        yield from every(inner, kind)


def brief(value: Any) -> str:
    """Return a value as text for a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(brief, value))
    return str(value)


def _listed(part, name):
    value = getattr(part, name, None)
    return value if isinstance(value, list) and value and isinstance(value[0], Part) else ()


def _is_number(text):
    return re.fullmatch(r"\[?[-–\d][][\d.,e+ ±-]*|[-–]|nan|inf|", text) is not None
