"""The Markdown parser of reports and posters, and the pictures that a text names.

markdown-it-py parses it: CommonMark with tables, footnotes, formulas ``$...$`` and ``$$...$$``, and
citations ``[@key]``. Raw HTML is shown as text.
"""

import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

KINDS = (".png", ".jpg", ".jpeg", ".gif", ".svg")
FORMULAS = {"math_inline": "$", "math_inline_double": "$$", "math_block": "$$"}
KEY = r"@(?P<key>[\w][\w:.+/-]*)(?:,\s*(?P<place>[^;\]]+))?"
CITATION = re.compile(rf"\[\s*(?P<all>{KEY}(?:\s*;\s*{KEY.replace('P<', 'P<next_')})*)\s*\]")


def parsed(text: str) -> "SyntaxTreeNode":
    """Return Markdown as a tree."""
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(_reader().parse(text))


def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.footnote import footnote_plugin

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    strict = dict.fromkeys(("allow_labels", "allow_space", "allow_digits"), False)  # $5 is a price
    markdown.use(dollarmath_plugin, double_inline=True, **strict)
    markdown.use(footnote_plugin)
    markdown.inline.ruler.before("link", "citation", _citation)
    return markdown


def _citation(state, silent):
    """Parse ``[@key]``, ``[@key, p. 3]`` and ``[@one; @two]``."""
    found = CITATION.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push("citation", "", 0)
        token.content = found[0]
        parts = (re.match(KEY, part.strip()) for part in found["all"].split(";"))
        token.meta = {"keys": [(part["key"], (part["place"] or "").strip()) for part in parts]}
    state.pos = found.end()
    return True


def citations(text: str) -> list[str]:
    """Return the keys that a text cites.

    Examples
    --------
    >>> from firstlight.tools.report.markdown import citations
    >>> citations("As shown [@adam, p. 3; @sgd], not in `[@code]` or a@b.org.")
    ['adam', 'sgd']
    """
    nodes = parsed(text).walk()
    return [key for one in nodes if one.type == "citation" for key, _ in one.meta["keys"]]


def formulas(text: str) -> list[str]:
    """Return the LaTeX of all formulas of a text.

    Examples
    --------
    >>> from firstlight.tools.report.markdown import formulas
    >>> formulas("It costs $5, and $x_i$ is $$y$$.")
    ['x_i', 'y']
    """
    return [one.content.strip() for one in parsed(text).walk() if one.type in FORMULAS]


def verbatim(text: str) -> str:
    r"""Return Markdown that shows a text as it is.

    Examples
    --------
    >>> from firstlight.tools.report.markdown import verbatim
    >>> verbatim("my_run/*")
    'my\\_run/\\*'
    """
    return re.sub(r"([\\`*_\[\]<>$&!#])", r"\\\1", text)


def picture(source: str, folder: str | PathLike[str]) -> Path:
    """Return the path of a picture in a text.

    Raises
    ------
    ValueError
        It is from the web, does not exist, or is of another kind than `KINDS`.
    """
    path = Path(folder) / unquote(source)
    if re.match(r"[a-z]+://|//|data:", source, re.IGNORECASE):
        raise ValueError(
            f"picture {source}: expected a file, since the page must need nothing from outside; "
            "save it beside the text"
        )
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"picture {source}: expected one of {', '.join(KINDS)}")
    if not path.is_file():
        raise ValueError(f"picture {source}: there is no file {path}")
    return path
