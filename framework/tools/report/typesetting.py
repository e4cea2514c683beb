"""Typst sets the documents: offline, with its own fonts, and errors that name their place."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight.tools.report.formulas import as_typst

LETTERS = (56, 52, 48, 44, *range(40, 23, -2))  # points on A0; the largest that fit are used
FIGURES = (133, 120, 110, 100)  # per cent of the size at which their letters have 24 points
COMFORTABLE = 28  # points; figures are left out for them
SIGNED = re.compile(r"\A(?P<mark>//|%) firstlight (?P<sum>\w{12})[^\n]*\n(?P<rest>.*)\Z", re.DOTALL)


def typeset(source: str, root: Path, kind: str = "pdf") -> bytes:
    """Return a document of Typst as the bytes of a file.

    Parameters
    ----------
    source : str
    root : Path
        The folder that its paths are relative to.
    kind : {"pdf", "html", "svg", "png"}

    Raises
    ------
    ValueError
        Typst cannot set it.
    """
    import typst

    try:
        return typst.compile(source.encode(), root=root, ignore_system_fonts=True, format=kind)
    except typst.TypstError as error:
        hints = "".join(f"; {hint}" for hint in error.hints)
        raise ValueError(f"Typst: {error.message}{hints}") from error


def asked(source: str, root: Path, label: str) -> list[Any]:
    """Return the values of a document's metadata with a label.

    Raises
    ------
    ValueError
        Typst cannot set it.
    """
    import typst

    compiler = typst.Compiler(source.encode(), root=root, ignore_system_fonts=True)
    try:
        return json.loads(compiler.query(f"<{label}>", field="value"))
    except (typst.TypstError, RuntimeError) as error:  # a query raises the second
        raise ValueError(f"Typst: {error}") from error


def check_formulas(formulas: Iterable[str], path: Path) -> None:
    """Raise a ValueError that names the first formula that Typst cannot set."""
    for latex in dict.fromkeys(formulas):
        try:
            typeset(f"$ {as_typst(latex)} $", Path(), "svg")
        except ValueError as error:
            raise ValueError(
                f"{path}: formula ${latex}$: cannot be set ({error}); expected LaTeX mathematics, "
                "without commands of your own"
            ) from error


def check_files(root: Path, pictures: Mapping[Path, str], bibliography: Path | None) -> None:
    """Raise a ValueError that names the first picture or bibliography that Typst cannot read.

    Parameters
    ----------
    root : Path
        The folder of the copies that a document shows.
    pictures : dict of Path to str
        The user's files, and the names of their copies.
    bibliography : Path or None
        The user's file; its copy is ``references.bib``.
    """
    for path, name in pictures.items():
        try:
            typeset(f"#image({json.dumps(name)})", root)
        except ValueError as error:
            raise ValueError(
                f"{path}: cannot be shown ({error}); expected a PNG, JPEG, GIF or SVG; open it and "
                "save it again"
            ) from error
    if bibliography is not None:
        try:
            typeset('#bibliography("references.bib", full: true)', root)
        except ValueError as error:
            raise ValueError(
                f"{bibliography}: cannot be read ({error}); expected entries such as "
                "@book{key, author={...}, title={...}, year={2026}}, each key once"
            ) from error


def fitting(
    source: Callable[[int, int, Sequence[str]], str], root: Path, spare: Sequence[str]
) -> tuple[int, int, list[str]]:
    """Return letters, size of figures and parts left out with which a poster fits on one page.

    The letters are the largest that fit, and as few parts as possible are left out.

    Parameters
    ----------
    source : callable
        Returns the source for letters in points, the size of figures in per cent, and the names of
        the parts that are left out.
    root : Path
    spare : sequence of str
        Names of parts that may be left out, the least important first.

    Raises
    ------
    ValueError
        The texts are too long for one page; it names the section that begins after it, or is
        broken.
    """

    def fits(letters: int, figures: int, out: Sequence[str]) -> bool:
        return asked(source(letters, figures, out), root, "pages")[0] == 1

    least, smallest = LETTERS[-1], COMFORTABLE
    if not fits(smallest, FIGURES[-1], spare):
        smallest = least
        if not fits(least, FIGURES[-1], spare):
            sections = asked(source(least, FIGURES[-1], spare), root, "sections")[0]
            late = [title for title, page in sections if page > 1] or [sections[-1][0]]
            raise ValueError(
                f"poster: the texts are too long for one page, even in letters of {least} points, "
                f"the smallest that can be read: no room from the section {late[0]!r} on; shorten "
                "the Markdown file"
            )
    out = list(spare)
    for name in reversed(spare):
        fewer = [one for one in out if one != name]
        if fits(smallest, FIGURES[-1], fewer):
            out = fewer
    letters = _largest(LETTERS, lambda n: fits(n, FIGURES[-1], out))
    figures = _largest(FIGURES, lambda width: fits(letters, width, out))
    check_widths(source(letters, figures, out), root)
    return letters, figures, out


def check_widths(source: str, root: Path) -> None:
    """Raise a ValueError if a formula or code is wider than its column."""
    for kind, section in asked(source, root, "overfull"):
        raise ValueError(
            f"the {kind} in the section {section!r} is wider than its column, even in the smallest "
            "letters that can be read; break it into lines"
        )


def _largest(choices: Sequence[int], fits: Callable[[int], bool]) -> int:
    """Return the first choice that fits; those after it and the last do."""
    low, high = 0, len(choices) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(choices[middle]):
            high = middle
        else:
            low = middle + 1
    return choices[high]


def signed(text: str, mark: str, how: str) -> str:
    """Return a source with a first line from which `edited` sees later changes."""
    found = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{mark} firstlight {found}: {how}\n{text}"


def edited(path: Path) -> bool:
    """Return whether a source exists that was changed since it was written."""
    if not path.is_file():
        return False
    found = SIGNED.match(path.read_text(encoding="utf-8", errors="replace"))
    return found is None or hashlib.sha256(found["rest"].encode()).hexdigest()[:12] != found["sum"]
