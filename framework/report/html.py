"""write_report: one HTML file that needs nothing else, about one run or several."""

import re
from pathlib import Path

from firstlight.figures import overlay
from firstlight.figures.curves import along_epochs
from firstlight.files import write_atomically
from firstlight.report.content import duration, memory
from firstlight.report.sections import Texts
from firstlight.report.seeds import differing, grouped, spread
from firstlight.report.words import words

TEMPLATES = Path(__file__).with_name("templates")
FIGURES = ("confusion_matrix", "mistakes", "fit", "filters", "saliency", "histograms")
HIGHEST = 640  # pixels of a figure
COLUMNS = 5  # differing settings that have room beside the results


def write_report(path, content, runs=(), texts=None, language="en"):
    """Write a report as one HTML file: no other files, no requests, no JavaScript.

    Parameters
    ----------
    path : path-like
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more make the report begin with their comparison.
    texts : Texts, optional
        Words of one's own, from `read_sections`.
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
    environment.filters |= {"html": as_html, "svg": as_svg, "memory": memory, "brief": brief}
    texts = texts or Texts()
    page = environment.get_template("report.html.j2").render(
        content=content,
        run=content.run,
        texts=texts,
        title=texts.title or (content.run.label if len(runs) < 2 else content.run.name),
        say=words(language),
        language=language,
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        comparison=compare(runs) if len(runs) > 1 else None,
        shown=[name for name in FIGURES if name in content.figures],
    )
    write_atomically(path, page)


def compare(runs):
    """Return what a comparison tells of several runs.

    Returns
    -------
    dict
        "differing" settings, with room "beside" the results or "below" them; "runs", "groups" of
        seeds with what they reached, "metrics" that any of these have, and "figures".
    """
    names = list(dict.fromkeys(name for run in runs for name in [*run.metrics, *run.best]))
    metrics = [name for name in names if name.startswith(("test_", "val_"))]
    groups = [
        {
            "runs": group,
            "seeds": sorted({str(run.config.get("seed")) for run in group}),
            "spreads": [spread(group, name) for name in metrics],
            "time": duration(sum(run.place["time"] for run in group) / len(group)),
        }
        for group in grouped(runs)
    ]
    rows = differing([group["runs"][0] for group in groups])
    beside = len(rows) <= COLUMNS
    return {
        "beside": rows if beside else {},
        "below": {} if beside else rows,
        "differing": rows,
        "runs": runs,
        "groups": groups,
        "metrics": metrics,
        "figures": {
            name: together(runs, name)
            for name in metrics
            if any(name in run.history for run in runs)
        },
    }


def together(runs, name):
    """Return a figure of one value of all runs that logged it, along the epochs."""
    lines = {run.label: along_epochs(run.history, name) for run in runs if name in run.history}
    return overlay({name: lines}, x_label="epoch")


def as_svg(figure, label):
    """Return a matplotlib figure as an SVG element, its names apart from those of others."""
    import io

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


def as_html(text):
    """Return Markdown as HTML; raw HTML in it is shown, not used."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    return Markup(MarkdownIt("commonmark", {"html": False}).disable("image").render(text))


def brief(value):
    """Return a value as tables show it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(brief, value))
    return str(value)
