"""The report: one HTML file about one run or several, which needs no other files."""

import io
import re
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.runs import RunFolder
from firstlight.support.files import write_atomically
from firstlight.support.summary import human
from firstlight.tools.language import speaking
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.content import Content
from firstlight.tools.report.markdown import as_html
from firstlight.tools.report.provenance import duration
from firstlight.tools.report.sections import Texts, words

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).with_name("templates")
FIGURES = ("confusion_matrix", "mistakes", "fit", "filters", "saliency", "histograms")
HIGHEST = 640  # pixels of a figure


def write_report(
    path: str | PathLike[str],
    content: Content,
    runs: Sequence[RunFolder] = (),
    texts: Texts | None = None,
    language: str = "en",
) -> None:
    """Write a report as one HTML file: no other files, no requests, no JavaScript.

    Parameters
    ----------
    path : path-like
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more make the report begin with their comparison.
    texts : Texts, optional
        The user's texts, from `read_sections`.
    language : {"en", "de"}

    Raises
    ------
    ModuleNotFoundError
        Jinja2 is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = texts or Texts()
    html = partial(as_html, folder=texts.folder)
    environment.filters |= {"html": html, "svg": as_svg, "brief": brief, "duration": duration}
    environment.filters["memory"] = partial(human, unit="B")
    with speaking(language):
        comparison = compare(runs) if len(runs) > 1 else None
    page = environment.get_template("report.html.j2").render(
        content=content,
        run=content.run,
        texts=texts,
        title=texts.title or (content.run.label if len(runs) < 2 else names_of(runs)),
        say=words(language),
        language=language,
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        comparison=comparison,
        shown=[name for name in FIGURES if name in content.figures],
    )
    write_atomically(path, page)


def names_of(runs: Sequence[RunFolder]) -> str:
    """Return the distinct names of runs."""
    return ", ".join(dict.fromkeys(run.name for run in runs))


def as_svg(figure: "Figure", label: str) -> "Markup":
    """Return a matplotlib figure as an SVG element, whose ids do not clash with others'."""
    from markupsafe import Markup, escape
    from matplotlib import rc_context

    content = io.StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": label}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    svg = content.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    prefix = re.sub(r"\W+", "-", label)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    width, height = (96 * inches for inches in figure.get_size_inches())  # pixels
    width = round(width * min(1, HIGHEST / height))
    head = f'<svg role="img" aria-label="{escape(label)}" style="max-width:{width}px"'
    svg = re.sub(r'<svg xmlns:xlink="[^"]*" width="[^"]*" height="[^"]*"', head, svg, count=1)
    return Markup(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))


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
