"""The bodies of LaTeX documents: sections of a report, blocks of a poster, frames of slides."""

from collections.abc import Callable, Sequence

from firstlight.tools.report.latex_markup import LatexMarkup
from firstlight.tools.report.parts import Code, Figure, Heading, Part, Prose, Table, written

LINES = 35  # of text that are as high as a poster's column is wide
LETTERS = 60  # in a line of a column
SLACK = 1.05  # of a column's height: what it may have more than the others

Named = tuple[str, list[Part]]


def sections(parts: Sequence[Part], references: str, markup: LatexMarkup, _columns: int) -> str:
    """Return a report's body."""
    return f"{written(parts, markup)}\n\n{references}"


def blocks(parts: Sequence[Part], references: str, markup: LatexMarkup, columns: int) -> str:
    """Return a poster's columns of tikzposter, of about the same height."""
    below = _below_headings(parts)
    heights = [3 + sum(map(_lines, inner)) for _, inner in below]
    share, filled, begun = sum(heights) / columns, 0.0, 0
    text = [r"\begin{columns}"]
    for (title, inner), height in zip(below, heights, strict=True):
        if begun < columns and (begun == 0 or filled + height > begun * SLACK * share):
            text.append(rf"\column{{{1 / columns:.3f}}}")
            begun += 1
        filled += height
        text.append(_block(markup.plain(title), written(inner, markup)))
    text += [_block(title, found) for title, found in _titled(references)]
    return "\n".join([*text, r"\end{columns}"])


def frames(parts: Sequence[Part], references: str, markup: LatexMarkup, _columns: int) -> str:
    """Return the frames of beamer: one for each heading."""
    found = [
        (markup.plain(title), written(inner, markup)) for title, inner in _below_headings(parts)
    ]
    return "\n\n".join(
        f"\\begin{{frame}}[allowframebreaks]{{{title}}}\n{body}\n\\end{{frame}}"
        for title, body in [*found, *_titled(references)]
    )


BODIES: dict[str, Callable[[Sequence[Part], str, LatexMarkup, int], str]] = {
    "report": sections,
    "poster": blocks,
    "slides": frames,
}


def _below_headings(parts) -> list[Named]:
    """Return headings with the parts below each; those with none are left out."""
    found: list[Named] = []
    for part in parts:
        if isinstance(part, Heading):
            found.append((part.title, []))
        else:
            if not found:
                found.append(("", []))
            found[-1][1].append(part)
    return [(title, inner) for title, inner in found if inner]


def _lines(part):
    """Return about how many lines are as high as a part."""
    if isinstance(part, Figure):
        width, height = part.figure.get_size_inches()
        return LINES * min(part.share or 1, 1) * height / width
    if isinstance(part, Table):
        return len(part.rows) + 1
    if isinstance(part, Code):
        return part.text.count("\n") + 2
    return 2 + len(part.text) / LETTERS if isinstance(part, Prose) else 2


def _block(title, body):
    return f"\\block{{{title}}}{{\n{body}\n}}"


def _titled(references):
    """Return the bibliography with its title apart, if there is one."""
    title, _, body = references.partition("\n")
    return [(title, r"\renewcommand{\section}[2]{}" + f"\n{body}")] if body else []
