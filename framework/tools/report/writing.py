"""Write reports and posters: a page of HTML, PDF with its source in Typst, or LaTeX."""

import re
import tempfile
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from firstlight.runs import RunFolder
from firstlight.support.files import write_atomically
from firstlight.tools.figures import printed
from firstlight.tools.language import speaking
from firstlight.tools.report.content import Content
from firstlight.tools.report.document import TEMPLATES, Document
from firstlight.tools.report.layouts import LAYOUTS, PAPER, REPORT, SHARE
from firstlight.tools.report.markdown import verbatim
from firstlight.tools.report.poster_parts import SPARE, PosterParts
from firstlight.tools.report.report_parts import ReportParts
from firstlight.tools.report.sections import Texts, words
from firstlight.tools.report.typesetting import (
    FOREIGN,
    check_files,
    check_formulas,
    edited,
    fitting,
    signed,
    typeset,
)

REPORTS, POSTERS = (".html", ".pdf", ".tex"), (".pdf", ".tex")


def write_report(
    path: str | PathLike[str],
    content: Content,
    runs: Sequence[RunFolder] = (),
    texts: Texts | None = None,
    language: str = "en",
) -> None:
    """Write a report, and beside it the folder of its figures and tables.

    Parameters
    ----------
    path : path-like
        Its ending is the format: ``.html`` is one page that needs no other files, makes no
        requests and has no JavaScript; ``.pdf`` has its source beside it, ``.typ``; ``.tex`` is the
        same in LaTeX.
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more make the report begin with their comparison.
    texts : Texts, optional
        The user's texts, from `read_sections`.
    language : {"en", "de"}

    Raises
    ------
    ValueError
        Another ending; a picture or formula that cannot be shown; or the source beside it was
        edited.
    """
    texts, say, several = texts or Texts(), words(language), len(runs) > 1
    path = _checked(path, "report", REPORTS)
    page = path.suffix == ".html"
    with speaking(language):
        parts = list(ReportParts(content, runs, texts, say, folded=page))
    told = f"{len(runs)} {say['runs']}" if several else content.run.label
    document = Document(
        parts,
        REPORT,
        texts,
        texts.title or (names_of(runs) if several else content.run.label),
        lead=texts.lead,
        kind=" · ".join([say["comparison" if several else "report"], told, *content.run.tags]),
        language=language,
        references=say["references"],
        folder=f"{path.stem}_files",
    )
    _write(path, document, lambda root: {"page": "page"} if page else {})


def write_poster(
    path: str | PathLike[str],
    content: Content,
    runs: Sequence[RunFolder] = (),
    texts: Texts | None = None,
    language: str = "en",
    size: str = "a0",
    layout: str = "portrait",
) -> None:
    """Write a poster of a run, and beside it its source and the folder of its figures and tables.

    Letters are as large as the room allows; figures for which there is no room are left out. If
    there are no pictures of the model, settings, time and machine fill their place.

    Parameters
    ----------
    path : path-like
        Its ending is the format: ``.pdf`` has its source beside it, ``.typ``; ``.tex`` is the same
        in LaTeX.
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more are compared.
    texts : Texts, optional
        The user's texts, from `read_sections`.
    language : {"en", "de"}
    size : {"a0", "a1"}
    layout : {"portrait", "landscape", "three-columns", "slides"}
        Slides are pages of 16:9, one for each section.

    Raises
    ------
    ValueError
        Another ending, size or layout; a picture or formula that cannot be shown; the texts are too
        long for one page; or the source beside it was edited.
    """
    if size not in PAPER:
        raise ValueError(f"poster: expected size {' or '.join(PAPER)}, got {size!r}")
    if layout not in LAYOUTS:
        raise ValueError(f"poster: expected layout {', '.join(LAYOUTS)}, got {layout!r}")
    texts, say = texts or Texts(), words(language)
    path = _checked(path, "poster", POSTERS)
    chosen = LAYOUTS[layout]
    with speaking(language), printed(SHARE * chosen.width, chosen.points):
        parts = list(PosterParts(content, runs, texts, say))
    document = Document(
        parts,
        chosen,
        texts,
        texts.title or (content.run.name if len(runs) < 2 else names_of(runs)),
        lead=texts.lead or verbatim(content.run.label),
        foot="   ".join(content.commands),
        language=language,
        references=say["references"],
        size=size,
        folder=f"{path.stem}_files",
    )

    spare = [name for name in SPARE if any(part.name == name for part in parts)]

    def fit(root: Path) -> dict[str, Any]:
        if layout == "slides":
            return {}
        found = fitting(
            lambda letters, figures, without: document.typst(
                letters=letters, figures=figures, without=without
            ),
            root,
            spare,
        )
        return dict(zip(("letters", "figures", "without"), found, strict=True))

    _write(path, document, fit)


def names_of(runs: Sequence[RunFolder]) -> str:
    """Return the distinct names of runs."""
    return ", ".join(dict.fromkeys(run.name for run in runs))


def typeset_file(path: str | PathLike[str]) -> Path:
    """Set a source in Typst, such as an edited poster, and return the path of its PDF.

    Raises
    ------
    ValueError
        Typst cannot set it.
    """
    path = Path(path)
    pdf = path.with_suffix(".pdf")
    try:
        content = typeset(path.read_text(encoding="utf-8"), path.parent)
    except ValueError as error:
        found = re.search(r"bytes__\.typ:(\d+)", getattr(error.__cause__, "diagnostic", ""))
        line = f":{found[1]}" if found else ""
        raise ValueError(f"{path}{line}: {error}") from error
    write_atomically(pdf, content)
    return pdf


def watch(path: str | PathLike[str]) -> None:
    """Set a source in Typst again whenever it or a file that it needs changes, until Ctrl-C."""
    import typst

    path = Path(path)
    own = not FOREIGN.search(path.read_text(encoding="utf-8"))
    compiler = typst.Compiler(path, root=path.parent, ignore_system_fonts=own)
    compiler.watch(path.with_suffix(".pdf"))


def _checked(path, what, endings):
    path = Path(path)
    if path.suffix not in endings:
        raise ValueError(f"{what}: expected a name that ends in {', '.join(endings)}, got {path}")
    source = path.with_suffix(".typ") if path.suffix == ".pdf" else path
    if path.suffix != ".html" and edited(source):
        raise ValueError(
            f"{source} was edited since it was written, and is kept; set it by: firstlight poster "
            f"{source}, or write to another name, or delete it"
        )
    return path


def _write(path: Path, document: Document, fit: Callable[[Path], dict[str, Any]]) -> None:
    """Write a document and its files; nothing if it cannot be set.

    ``fit`` returns options of `Document.typst`, given the folder that has its files.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        sources = _sources(path, document, fit, root)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = path.with_name(document.folder)
            folder.mkdir(exist_ok=True)
            for file in (root / document.folder).iterdir():
                if path.suffix == ".tex" or file.suffix != ".pdf":
                    write_atomically(folder / file.name, file.read_bytes())
            for file, written in sources.items():
                write_atomically(file, written)
        except OSError as error:
            raise OSError(
                f"{path} cannot be written, with {document.folder} beside it ({error.strerror}: "
                f"{error.filename}); choose another place by --output"
            ) from error


def _sources(path, document, fit, root):
    """Return the contents of a document's files, those of its folder apart."""
    latex = path.suffix == ".tex"
    document.typst()  # collects the pictures that texts need
    document.write_files(root, ("svg", "pdf") if latex else ("svg",))
    try:
        options = fit(root)
        source = document.typst(**options)
        shown = b"" if latex else typeset(source, root, path.suffix[1:])
    except ValueError:
        check_formulas(document.formulas(), document.texts.path)
        check_files(root / document.folder, *document.inputs())
        raise
    if latex:
        made = document.latex(options.get("without", ()))
        return {path: signed(made, "%", "edit it, and set it by pdflatex and bibtex")}
    if path.suffix == ".html":
        return {path: _page(shown.decode())}
    how = f"edit it, and set it again by: firstlight poster {path.stem}.typ --watch"
    return {path: shown, path.with_suffix(".typ"): signed(source, "//", how)}


def _page(html):
    """Return a page of Typst with our style."""
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    head = '<meta name="generator" content="firstlight"><link rel="icon" href="data:,">'
    return html.replace("</head>", f"{head}<style>\n{style}</style></head>", 1)
