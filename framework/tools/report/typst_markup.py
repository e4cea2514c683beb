"""Markdown as Typst, to be read and edited."""

import json
import re
import textwrap
from collections.abc import Sequence

from firstlight.tools.report.formulas import as_typst
from firstlight.tools.report.markup import Markup

END = "\ue003"  # of an expression in text; a ";" is needed there if the text goes on like code
SPECIAL = re.compile(r"[\\*_`$#@<\[\]~]|/(?=[/*])|-(?=-)")
AT_START = re.compile(r"^(=+|[+\-/]|\d+\.)(?=\s|$)", re.MULTILINE)


class TypstMarkup(Markup):
    """Typst's markup; tables and figures call functions of the templates."""

    folder: str = ""  # of pictures, as seen from the document

    def text(self, markdown: str) -> str:
        """Return blocks of Markdown."""
        return finished(super().text(markdown))

    def line(self, markdown: str) -> str:
        """Return Markdown as one line, without blocks."""
        return finished(super().line(markdown))

    def plain(self, text: str) -> str:
        """Return a text without any markup, escaped."""
        escaped = SPECIAL.sub(lambda mark: "\\" + mark[0], text)
        return AT_START.sub(lambda mark: mark[0][:-1] + "\\" + mark[0][-1], escaped)

    def heading(self, title: str, level: int = 1) -> str:
        """Return a section's heading."""
        return f"{'=' * level} {title}"

    def items(self, items: list[str], start: int | None) -> str:
        """Return a list; ``start`` is the first number, None for bullets."""
        lines = []
        for number, item in enumerate(items, start or 0):
            mark = "- " if start is None else f"{number}. "
            lines.append(mark + textwrap.indent(item, " " * len(mark)).lstrip())
        return "\n".join(lines)

    def quote(self, body: str) -> str:
        """Return a quotation."""
        return f"#quote(block: true)[\n{body}\n]"

    def code_block(self, text: str, language: str = "") -> str:
        """Return lines of code."""
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        return f"{fence}{language if language.isalnum() else ''}\n{text}\n{fence}"

    def results(
        self, rows: list[list[str]], right: list[bool], head: bool = True, best: Sequence[int] = ()
    ) -> str:
        """Return a table: columns ``right`` are aligned to the right, rows ``best`` marked."""
        sides = "".join("right, " if one else "left, " for one in right)
        options = f"align: ({sides.rstrip()})"
        options += "" if head else ", head: false"
        options += f", best: ({', '.join(map(str, best))},)" if best else ""
        lines = ["  " + " ".join(f"[{finished(cell)}]," for cell in row) for row in rows]
        return "\n".join([f"#results({options},", *lines, ")"])

    def table(
        self, rows: list[list[str]], right: list[bool], head: bool = True, best: Sequence[int] = ()
    ) -> str:
        """Return a table that needs no template."""
        sides = "".join("right, " if one else "left, " for one in right)
        lines = ["  " + " ".join(f"[{finished(cell)}]," for cell in row) for row in rows]
        if head:
            lines[0] = f"  table.header({lines[0].strip().rstrip(',')}),"
        options = f"columns: {len(right)}, align: ({sides.rstrip()}), stroke: (bottom: 0.5pt)"
        return "\n".join([f"#table({options},", *lines, ")"])

    def figure(self, name: str, caption: str, alt: str, share: float | None = None) -> str:
        """Return a picture in the folder of figures; ``share`` is that of a column's width."""
        below = f", caption: [{caption}]" if caption else ""
        width = "" if share is None else f", width: {share:.0%}"
        return f"#picture({self.file(name, alt)}{width}{below})"

    def image(self, name: str, alt: str) -> str:
        """Return a picture inside a line."""
        return f"#box(height: 1em, {self.file(name, alt)}){END}"

    def file(self, name: str, alt: str) -> str:
        """Return a picture in the folder of figures, as an expression."""
        return f"image({quoted(self.folder + name)}, alt: {quoted(alt)})"

    def rule(self) -> str:
        """Return a horizontal line."""
        return "#rule()"

    def line_break(self) -> str:
        """Return the end of a line inside a paragraph."""
        return " \\\n"

    def strong(self, body: str, kind: str = "strong", within_word: bool = False) -> str:
        """Return emphasis; ``kind`` is "strong" or "em"."""
        if within_word:
            return f"#{'strong' if kind == 'strong' else 'emph'}[{body}]{END}"
        sign = "*" if kind == "strong" else "_"
        return f"{sign}{body}{sign}"

    def code(self, text: str) -> str:
        """Return code inside a line."""
        return f"#raw({quoted(text)}){END}" if "`" in text else f"`{text}`"

    def formula(self, latex: str, display: bool) -> str:
        """Return a formula."""
        return f"$ {as_typst(latex)} $" if display else f"${as_typst(latex)}$"

    def link(self, body: str, address: str) -> str:
        """Return a link."""
        return f"#link({quoted(address)})[{body}]{END}"

    def cite(self, keys: list[tuple[str, str]]) -> str:
        """Return citations of ``(key, place)``."""
        places = (f", supplement: [{self.plain(place)}]" if place else "" for _, place in keys)
        pairs = zip(keys, places, strict=True)
        return "".join(f"#cite(label({quoted(key)}){place})" for (key, _), place in pairs) + END

    def footnote(self, body: str) -> str:
        """Return a footnote's mark and text."""
        return f"#footnote[{body}]{END}"

    def note(self, kind: str, text: str) -> str:
        """Return a sentence; ``kind`` is "plain", "quiet", "notice" or "problem"."""
        return text if kind == "plain" else f"#{kind}[{text}]"

    def facts(self, rows: list[tuple[str, str]]) -> str:
        """Return numbers with their names."""
        lines = [f"  ([{name}], [{value}])," for name, value in rows]
        return "\n".join(["#facts(", *lines, ")"])

    def fold(self, title: str, body: str) -> str:
        """Return a body that is shown on request."""
        return f"#fold([{title}])[\n{body}\n]"

    def beside(self, left: str, right: str) -> str:
        """Return two bodies in two columns."""
        return f"#beside[\n{left}\n][\n{right}\n]"


def finished(text: str) -> str:
    """Return a text whose expressions are separated from text that would continue them."""
    return re.sub(END, "", re.sub(rf"{END}(?=[(\[.;])", ";", text))


def quoted(text: str) -> str:
    r"""Return a string of Typst.

    Examples
    --------
    >>> from firstlight.tools.report.typst_markup import quoted
    >>> print(quoted('say "a"'))
    "say \"a\""
    """
    return json.dumps(text, ensure_ascii=False)
