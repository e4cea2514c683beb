"""Typst sets the documents: offline, with its own fonts, and errors that name their place."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight.tools.report.formulas import as_typst

LETTERS = (*range(64, 43, -4), *range(42, 23, -2))  # points on A0
FIGURES = (200, 180, 160, 145, 130, 120, 110, 100)  # per cent; at 100 their letters have 24 points
# Parts are left out for the first of COMFORTABLE with which the others fit. Then both sizes grow
# together, as far as they fit, and then each alone into the gaps that are left.
SIZES = (
    *((64, 190), (60, 180), (56, 170), (52, 160), (48, 150), (44, 140)),
    *((40, 130), (38, 120), (36, 110), (34, 110), (32, 105), (30, 100), (28, 100), (26, 100)),
    (24, 100),
)
COMFORTABLE = SIZES[SIZES.index((34, 110)) :]
# Letters that Typst's own fonts lack, such as Chinese and emoji: fonts of the system have them.
FOREIGN = re.compile(r"[\u0590-\u1dff\u2e80-\ufaff\U0001f000-\U0003ffff]")
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
        return typst.compile(
            source.encode(), root=root, ignore_system_fonts=not FOREIGN.search(source), format=kind
        )
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

    own = not FOREIGN.search(source)
    compiler = typst.Compiler(source.encode(), root=root, ignore_system_fonts=own)
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

    Both sizes are the largest that fit, and as few parts as possible are left out.

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

    least = SIZES[-1]
    comfortable = _largest(COMFORTABLE, lambda sizes: fits(*sizes, spare))
    if comfortable == least and not fits(*least, spare):
        sections = asked(source(*least, spare), root, "sections")[0]
        late = [title for title, page in sections if page > 1] or [sections[-1][0]]
        raise ValueError(
            f"poster: the texts are too long for one page, even in letters of {least[0]} points, "
            f"the smallest that can be read: no room from the section {late[0]!r} on; shorten the "
            "Markdown file"
        )
    out = list(spare)
    for name in reversed(spare):
        fewer = [one for one in out if one != name]
        if fits(*comfortable, fewer):
            out = fewer
    tried = [sizes for sizes in SIZES if sizes >= comfortable]
    letters, figures = _largest(tried, lambda sizes: fits(*sizes, out))
    larger = [points for points in LETTERS if points >= letters]
    letters = _largest(larger, lambda points: fits(points, figures, out))
    wider = [size for size in FIGURES if size > figures]
    figures = _largest([*wider, figures], lambda size: fits(letters, size, out))
    check_widths(source(letters, figures, out), root)
    return letters, figures, out


def check_widths(source: str, root: Path) -> None:
    """Raise a ValueError if a formula or code is wider than its column."""
    for kind, section in asked(source, root, "overfull"):
        raise ValueError(
            f"the {kind} in the section {section!r} is wider than its column, even in the smallest "
            "letters that can be read; break it into lines"
        )


def _largest(choices: Sequence[Any], fits: Callable[[Any], bool]) -> Any:
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
