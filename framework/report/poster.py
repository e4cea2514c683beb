"""write_poster: one page of A0 or A1 with texts, tables, and figures as vectors."""

from firstlight.figures import curves
from firstlight.figures.curves import metrics_of
from firstlight.files import write_atomically
from firstlight.report.blocks import Figure, Heading, Table, Text, plain_marks
from firstlight.report.html import brief, compare
from firstlight.report.page import SIZES, Page
from firstlight.report.sections import Texts, paragraphs
from firstlight.report.words import words

WIDE, NARROW = (1.0, 0.9), (0.8, 0.7, 0.6)  # figures, in widths of a column
LARGER = 1.3  # letters in figures, than in a report
LAYERS = 16  # rows of the model's table
RUNS = 12  # rows of a comparison
SPARE = ("histograms", "saliency", "filters", "sample")  # left out, in this order, for want of room


def write_poster(path, content, runs=(), texts=None, language="en", size="a0"):
    """Write a poster of a run as PDF.

    Letters are as large as the room allows; figures for which there is no room are left out.

    Parameters
    ----------
    path : path-like
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more are compared.
    texts : Texts, optional
        Words of one's own, from `read_sections`.
    language : {"en", "de"}
    size : {"a0", "a1"}

    Raises
    ------
    ValueError
        Another size; or the texts are too long for one page.
    """
    if size not in SIZES:
        raise ValueError(f"poster: expected size {' or '.join(SIZES)}, got {size!r}")
    texts, say = texts or Texts(), words(language)
    title = texts.title or content.run.name
    lead = " ".join(text for _, text in paragraphs(texts.lead)) or content.run.label
    lead = plain_marks(lead)
    parts = list(_parts(content, runs, texts, say))
    page = Page(size, title, lead, "   ".join(content.commands))
    for figures in (WIDE, NARROW):
        for left_out in range(len(SPARE) + 1):
            kept = [block for name, block in parts if name not in SPARE[:left_out]]
            if page.place(kept, figures):
                write_atomically(path, page.as_pdf())
                return
    raise ValueError(
        "poster: the texts are too long for one page, even in the smallest letters that can be "
        "read; shorten the Markdown file"
    )


def _parts(content, runs, texts, say):
    """Yield ``(name, block)`` of everything there is to show, in reading order."""

    def text(name, title=None):
        found = texts.take(name)
        if found is None and name == "question" and content.run.note:
            return [(name, Heading(say[name])), (name, Text([(False, content.run.note)]))]
        if found is None:
            return []
        return [(name, Heading(title or say[name])), (name, Text(paragraphs(found.text)))]

    def figure(name):
        if name in content.figures:
            yield name, Figure(enlarged(content.figures[name]), say[name])

    yield from text("question")
    yield from text("data")
    yield from figure("sample")
    model = text("model")
    if content.summary:
        rows = [row.cells()[:4] for row in content.summary.rows]
        if len(rows) > LAYERS:
            rows = [*rows[: LAYERS - 1], ("…", "", "", f"{content.summary.parameters:,}")]
        heads = [say[name] for name in ("layer", "type", "output", "parameters")]
        model = [*(model or [("model", Heading(say["model"]))]), ("model", Table([heads, *rows]))]
    yield from model
    yield from text("method")
    yield from text("results") or [("results", Heading(say["results"]))]
    yield "results", _metrics(content, say)
    if len(runs) > 1:
        yield from _comparison(runs)
    if metrics_of(content.run.history):
        labels = {"train": say["training"], "val": say["validation"]}
        drawn = curves(content.run.history, labels=labels, size=(3.2, 2.4))
        yield "curves", Figure(enlarged(drawn), say["curves"])
    for name in ("confusion_matrix", "mistakes", "fit", "filters", "saliency", "histograms"):
        yield from figure(name)
    for other in texts.others():
        yield "other", Heading(other.title)
        yield "other", Text(paragraphs(other.text))
    yield from text("conclusion")


def _metrics(content, say):
    """Return the table of what was reached, of tests and validations."""
    several = len(content.seeds) > 1
    heads = [say["metric"], say["best"], *([f"{say['mean']} (n = {len(content.seeds)})"] * several)]
    rows = [
        [row["name"], brief(row["best"]), *([brief(row["spread"])] * several)]
        for row in content.metrics
        if row["name"].startswith(("test_", "val_"))
    ]
    return Table([heads, *rows])


def _comparison(runs):
    found = compare(runs)
    metrics = [name for name in found["metrics"] if name.startswith("test_")] or found["metrics"]
    metrics = metrics[:2]
    rows = []
    for index, group in enumerate(found["groups"][:RUNS]):
        varied = [brief(values[index]) for values in found["differing"].values()][:4]
        reached = dict(zip(found["metrics"], group["spreads"], strict=True))
        rows.append([*varied, *(brief(reached[name]) for name in metrics)])
    heads = [name.rpartition(".")[2] for name in list(found["differing"])[:4]]
    if rows and rows[0]:
        yield "comparison", Table([[*heads, *metrics], *rows])
    name = "val_loss" if "val_loss" in found["figures"] else next(iter(found["figures"]), None)
    if name is not None:
        yield "comparison", Figure(enlarged(found["figures"][name]), name)


def enlarged(figure):
    """Return the figure with letters that can be read from some steps away."""
    from matplotlib.text import Text as Letters

    for text in figure.findobj(Letters):
        text.set_fontsize(text.get_fontsize() * LARGER)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            if labels:  # those that are made anew when it is drawn
                axis.set_tick_params(labelsize=labels[0].get_fontsize())
    return figure
