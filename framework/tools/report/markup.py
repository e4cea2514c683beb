"""Markdown as another markup: the walk over its tree, which Typst and LaTeX share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.tools.report.markdown import FORMULAS, parsed, picture

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

RIGHT = "text-align:right"


@dataclass
class Markup:
    """A target language of Markdown; a subclass gives each construct its form.

    Parameters
    ----------
    source : Path
        The Markdown file: errors name it, and pictures are beside it.
    taken : dict of Path to str
        Filled with the pictures that the text needs, and the names under which it shows them.
    """

    source: Path = Path()
    taken: dict[Path, str] = field(default_factory=dict)

    def text(self, markdown: str) -> str:
        """Return blocks of Markdown.

        Raises
        ------
        ValueError
            A picture that cannot be shown, or a formula that cannot be read.
        """
        return self.blocks(parsed(markdown).children).strip() + "\n" if markdown.strip() else ""

    def line(self, markdown: str) -> str:
        """Return Markdown as one line, without blocks."""
        inlines = [one for one in parsed(markdown).walk() if one.type == "inline"]
        return " ".join(self.inlines(one.children) for one in inlines)

    def plain(self, text: str) -> str:
        """Return a text without any markup, escaped."""
        raise NotImplementedError

    # --- blocks

    def blocks(self, nodes: "Sequence[SyntaxTreeNode]") -> str:
        """Return nodes as blocks, with an empty line between them."""
        written = (self._block(node) for node in nodes)
        return "\n\n".join(block for block in written if block)

    def _block(self, node):
        kind = node.type
        if kind == "paragraph":
            (inline,) = node.children
            return self._paragraph(inline.children)
        if kind == "heading":
            return self.heading(self.inlines(node.children[0].children), 2)
        if kind in ("bullet_list", "ordered_list"):
            items = [self.blocks(item.children) for item in node.children]
            start = int(node.attrs.get("start", 1)) if kind == "ordered_list" else None
            return self.items(items, start)
        if kind == "blockquote":
            return self.quote(self.blocks(node.children))
        if kind in ("fence", "code_block"):
            return self.code_block(node.content.rstrip("\n"), node.info.split(" ")[0])
        if kind in FORMULAS:
            return self._formula(node, display=True)
        if kind == "table":
            rows = [row.children for part in node.children for row in part.children]
            right = [cell.attrs.get("style") == RIGHT for cell in rows[0]]
            cells = [[self.inlines(one.children[0].children) for one in row] for row in rows]
            return self.results(cells, right)
        return self.rule() if kind == "hr" else ""  # a footnote is written where it is referred to

    def _paragraph(self, nodes):
        """Return a paragraph; a picture that is alone in it is a figure with its caption."""
        if [one.type for one in nodes] == ["image"]:
            (node,) = nodes
            return self.figure(self._picture(node), self.inlines(node.children), _letters(node))
        return self.inlines(nodes)

    # --- inside a line

    def inlines(self, nodes: "Sequence[SyntaxTreeNode]") -> str:
        """Return nodes as a line."""
        return "".join(self._inline(node) for node in nodes)

    def _inline(self, node):
        kind = node.type
        if kind == "text":
            return self.plain(node.content.replace("---", "—").replace("--", "–"))
        if kind in ("strong", "em"):
            return self.strong(self.inlines(node.children), kind, self._within_word(node))
        if kind == "code_inline":
            return self.code(node.content)
        if kind in FORMULAS:
            return self._formula(node, display=kind == "math_inline_double")
        if kind == "link":
            return self.link(self.inlines(node.children), str(node.attrs["href"]))
        if kind == "image":
            return self.image(self._picture(node), _letters(node))
        if kind == "citation":
            return self.cite(node.meta["keys"])
        if kind == "footnote_ref":
            return self.footnote(self._note(node))
        return {"softbreak": "\n", "hardbreak": self.line_break()}.get(kind, "")

    def _note(self, node):
        """Return the text of the footnote that a node refers to."""
        root = node
        while root.parent is not None:
            root = root.parent
        number = node.meta["id"]
        (found,) = (
            one for one in root.walk() if one.type == "footnote" and one.meta["id"] == number
        )
        return " ".join(
            self.inlines(one.children) for one in found.walk() if one.type == "inline"
        ).strip()

    def _formula(self, node, display):
        latex = " ".join(node.content.split())
        try:
            return self.formula(latex, display)
        except ValueError as error:
            raise ValueError(f"{self.source}: {error}") from error

    def _picture(self, node):
        try:
            path = picture(str(node.attrs["src"]), self.source.parent)
        except ValueError as error:
            raise ValueError(f"{self.source}: {error}") from error
        return self.take(path.resolve())

    def take(self, path: Path) -> str:
        """Return the name under which a picture is shown, and remember it."""
        if path not in self.taken:
            names = set(self.taken.values())
            name, number = path.name, 1
            while name in names:
                number += 1
                name = f"{path.stem}-{number}{path.suffix}"
            self.taken[path] = name
        return self.taken[path]

    @staticmethod
    def _within_word(node):
        """Return whether letters touch a node."""
        before, after = node.previous_sibling, node.next_sibling
        return bool(
            (before and before.type == "text" and before.content[-1:].isalnum())
            or (after and after.type == "text" and after.content[:1].isalnum())
        )

    # --- what a language gives: the arguments are written in it already

    def heading(self, title: str, level: int = 1) -> str:
        """Return a section's heading."""
        raise NotImplementedError

    def items(self, items: list[str], start: int | None) -> str:
        """Return a list; ``start`` is the first number, None for bullets."""
        raise NotImplementedError

    def quote(self, body: str) -> str:
        """Return a quotation."""
        raise NotImplementedError

    def code_block(self, text: str, language: str = "") -> str:
        """Return lines of code."""
        raise NotImplementedError

    def figure(self, name: str, caption: str, alt: str, share: float | None = None) -> str:
        """Return a picture in the folder of figures; ``share`` is that of a column's width."""
        raise NotImplementedError

    def image(self, name: str, alt: str) -> str:
        """Return a picture inside a line."""
        raise NotImplementedError

    def rule(self) -> str:
        """Return a horizontal line."""
        raise NotImplementedError

    def line_break(self) -> str:
        """Return the end of a line inside a paragraph."""
        raise NotImplementedError

    def strong(self, body: str, kind: str = "strong", within_word: bool = False) -> str:
        """Return emphasis; ``kind`` is "strong" or "em"."""
        raise NotImplementedError

    def code(self, text: str) -> str:
        """Return code inside a line."""
        raise NotImplementedError

    def formula(self, latex: str, display: bool) -> str:
        """Return a formula."""
        raise NotImplementedError

    def link(self, body: str, address: str) -> str:
        """Return a link."""
        raise NotImplementedError

    def cite(self, keys: list[tuple[str, str]]) -> str:
        """Return citations of ``(key, place)``."""
        raise NotImplementedError

    def footnote(self, body: str) -> str:
        """Return a footnote's mark and text."""
        raise NotImplementedError

    def results(
        self, rows: list[list[str]], right: list[bool], head: bool = True, best: Sequence[int] = ()
    ) -> str:
        """Return a table: columns ``right`` are aligned to the right, rows ``best`` marked."""
        raise NotImplementedError

    def note(self, kind: str, text: str) -> str:
        """Return a sentence; ``kind`` is "plain", "quiet", "notice" or "problem"."""
        raise NotImplementedError

    def facts(self, rows: list[tuple[str, str]]) -> str:
        """Return numbers with their names."""
        raise NotImplementedError

    def fold(self, title: str, body: str) -> str:
        """Return a body that is shown on request."""
        raise NotImplementedError

    def beside(self, left: str, right: str) -> str:
        """Return two bodies in two columns."""
        raise NotImplementedError


def _letters(node):
    """Return the text of a node without its form."""
    return "".join(one.content for one in node.walk() if not one.children)
