"""Markdown texts as HTML for a report, and as blocks for a poster.

markdown-it-py parses it: CommonMark with tables. Raw HTML is shown as text; pictures are files
beside the text, and are embedded in the page. Formulas, ``$...$`` and ``$$...$$``, are shown
verbatim.
"""

import base64
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from firstlight.tools.report.blocks import ESCAPE, Block, Code, Line, Picture, Table, Text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markupsafe import Markup

KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
}
FORMULAS = {"math_inline": "$", "math_inline_double": "$$", "math_block": "$$"}


def reader() -> "MarkdownIt":
    """Return the Markdown parser."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    strict = dict.fromkeys(("allow_labels", "allow_space", "allow_digits"), False)  # $5 is a price
    markdown.use(dollarmath_plugin, double_inline=True, **strict)
    for kind in FORMULAS:
        markdown.add_render_rule(kind, _formula_html)
    return markdown


def as_html(text: str, folder: str | PathLike[str] = ".") -> "Markup":
    """Return Markdown as HTML, with its pictures from a folder embedded.

    Raises
    ------
    ValueError
        A picture that does not exist, or is from the web.
    """
    from markupsafe import Markup

    markdown, context = reader(), {}
    tokens = markdown.parse(text, context)
    for token in tokens:
        for inner in token.children or ():
            if inner.type == "image":
                path = picture(inner.attrs["src"], folder)
                content = base64.b64encode(path.read_bytes()).decode()
                inner.attrs["src"] = f"data:{KINDS[path.suffix.lower()]};base64,{content}"
    return Markup(markdown.renderer.render(tokens, markdown.options, context))


def as_blocks(text: str, folder: str | PathLike[str] = ".") -> list[Block]:
    """Return Markdown as the blocks of a poster: texts, tables, code and pictures.

    Raises
    ------
    ValueError
        A picture that does not exist, is from the web, or of a kind that a poster cannot have.
    """
    from markdown_it.tree import SyntaxTreeNode

    found: list[Block] = []
    _collect(SyntaxTreeNode(reader().parse(text)).children, found, Path(folder))
    return found


def as_line(text: str) -> str:
    r"""Return Markdown as one line with the marks of fpdf2.

    Examples
    --------
    >>> from firstlight.tools.report.markdown import as_line
    >>> as_line("*so* `x` -- [a link](https://example.org) **bold**, __init__ is `__init__`")
    '__so__ x – a link **bold**, **init** is \ue000__init\ue000__'
    """
    lines = [line for block in as_blocks(text) for line in getattr(block, "lines", ())]
    return " ".join(line if isinstance(line, str) else line.text for line in lines)


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


def _collect(nodes, found, folder, level=0, marker=""):
    """Append the blocks of nodes to ``found``; paragraphs that follow each other are one."""
    for node in nodes:
        if node.type in ("paragraph", "heading"):
            (inline,) = node.children
            text = _marked(inline)
            if text:
                bold = node.type == "heading" and "**" not in text
                _add(found, Line(f"**{text}**" if bold else text, marker, level))
                marker = ""
            images = [one for one in inline.walk() if one.type == "image"]
            found += [_picture(image.attrs["src"], folder) for image in images]
        elif node.type in ("bullet_list", "ordered_list"):
            first = int(node.attrs.get("start", 1))
            for number, item in enumerate(node.children, first):
                sign = "•" if node.type == "bullet_list" else f"{number}."
                _collect(item.children, found, folder, level + 1, sign)
        elif node.type == "blockquote":
            _collect(node.children, found, folder, level + 1)
        elif node.type in ("fence", "code_block"):
            found.append(Code(node.content))
        elif node.type in FORMULAS:
            _add(found, Line(_marked(node), marker, level))
            marker = ""
        elif node.type == "table":
            head, *rows = [row.children for part in node.children for row in part.children]
            cells = [[_marked(cell.children[0]) for cell in row] for row in rows]
            found.append(Table([[_plain(cell) for cell in head], *cells], marks=True))


def _formula(kind, content):
    """Return a formula verbatim, on one line."""
    return " ".join(f"{FORMULAS[kind]}{content}{FORMULAS[kind]}".split())


def _formula_html(_renderer, tokens, index, _options, _env):
    from markupsafe import escape

    token = tokens[index]
    text = escape(_formula(token.type, token.content))
    return f"<p>{text}</p>\n" if token.block else str(text)


def _add(found, line):
    if not found or not isinstance(found[-1], Text):
        found.append(Text([]))
    found[-1].lines.append(line)


def _picture(source, folder):
    path = picture(source, folder)
    if path.suffix.lower() == ".svg":
        raise ValueError(f"picture {source}: on a poster expected a .png or .jpg file")
    return Picture(path)


def escaped(text: str) -> str:
    """Return a text whose marks fpdf2 shows as text."""
    return re.sub(r"\*\*|__|~~|--", lambda mark: ESCAPE + mark[0], text)


def _plain(node):
    """Return the text of a node without any marks."""
    kinds = ("text", "code_inline", *FORMULAS)
    return "".join(
        _formula(one.type, one.content) if one.type in FORMULAS else one.content
        for one in node.walk()
        if one.type in kinds
    )


def _marked(node):
    """Return the text of an inline node with the marks of fpdf2, without pictures."""
    if node.type in ("text", "code_inline"):
        dashes = node.content.replace("--", "–") if node.type == "text" else node.content
        return escaped(dashes)
    if node.type in FORMULAS:
        return escaped(_formula(node.type, node.content))
    if node.type == "softbreak":
        return " "
    if node.type == "hardbreak":
        return "\n"
    if node.type == "image":
        return ""
    inner = "".join(map(_marked, node.children)).strip() if node.children else ""
    sign = {"strong": "**", "em": "__"}.get(node.type, "")
    if node.type == "inline":
        return inner
    return f"{sign}{inner}{sign}"
