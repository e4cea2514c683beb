"""The poster: one page of A0 or A1 with texts, tables, and figures as vectors."""

from collections.abc import Iterator, Sequence
from os import PathLike

from firstlight.runs import RunFolder
from firstlight.support.files import write_atomically
from firstlight.tools.figures import curves
from firstlight.tools.figures.learning_curves import metrics_of
from firstlight.tools.language import speaking
from firstlight.tools.report._page import SIZES, Page
from firstlight.tools.report.blocks import Block, Code, Figure, Heading, Line, Table, Text
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.content import Content
from firstlight.tools.report.html import brief, names_of
from firstlight.tools.report.markdown import as_blocks, as_line, escaped
from firstlight.tools.report.sections import Texts, words

WIDE, NARROW = (1.0, 0.9), (0.8, 0.7, 0.6)  # figures, in widths of a column
LARGER = 1.3  # letters in figures, relative to a report
LAYERS = 16  # rows of the model's table
RUNS = 12  # rows of a comparison
LETTERS = 75  # in a row of it, for a readable size
LONG = 60  # characters of a setting
SPARE = ("histograms", "saliency", "filters", "sample")  # left out in this order


def write_poster(
    path: str | PathLike[str],
    content: Content,
    runs: Sequence[RunFolder] = (),
    texts: Texts | None = None,
    language: str = "en",
    size: str = "a0",
) -> None:
    """Write a poster of a run as PDF.

    Letters are as large as the room allows; figures for which there is no room are left out. If
    there are no pictures of the model, settings, time and machine fill their place.

    Parameters
    ----------
    path : path-like
    content : Content
        Of the run, or of the best of several.
    runs : list of RunFolder
        Two or more are compared.
    texts : Texts, optional
        The user's texts, from `read_sections`.
    language : {"en", "de"}
    size : {"a0", "a1"}

    Raises
    ------
    ValueError
        Another size; a picture that cannot be shown; or the texts are too long for one page.
    """
    if size not in SIZES:
        raise ValueError(f"poster: expected size {' or '.join(SIZES)}, got {size!r}")
    texts, say = texts or Texts(), words(language)
    title = texts.title or (content.run.name if len(runs) < 2 else names_of(runs))
    with speaking(language):
        parts = list(_parts(content, runs, texts, say))
    lead = as_line(texts.lead) or escaped(content.run.label)
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


def _parts(
    content: Content, runs: Sequence[RunFolder], texts: Texts, say: dict[str, str]
) -> Iterator[tuple[str, Block]]:
    """Yield ``(name, block)`` of all content, in reading order."""

    def headed(name, blocks, title=None):
        return [(name, Heading(title or say[name])), *((name, block) for block in blocks)]

    def text(name):
        found = texts.take(name)
        if found is None and name == "question" and content.run.note:
            return headed(name, [Text([Line(escaped(content.run.note))])])
        return headed(name, as_blocks(found.text, texts.folder)) if found else []

    def figure(name):
        if name in content.figures:
            yield name, Figure(_enlarged(content.figures[name]), say[name])

    yield from text("question")
    yield from text("data")
    yield from figure("sample")
    model = text("model")
    if content.summary:
        rows = [row.cells()[:4] for row in content.summary.rows]
        if len(rows) > LAYERS:
            rows = [*rows[: LAYERS - 1], ("…", "", "", f"{content.summary.parameters:,}")]
        heads = [say[name] for name in ("layer", "type", "output", "parameters")]
        model = [*(model or headed("model", [])), ("model", Table([heads, *rows]))]
    elif content.structure:
        model = [*(model or headed("model", [])), ("model", Code(content.structure))]
    yield from model
    yield from text("method")
    yield from text("results") or headed("results", [])
    yield "results", _metrics(content, say)
    if content.baselines:
        yield "results", Table([row[:3] for row in content.baselines])  # without the time to fit
    if content.problem:  # why pictures are missing is printed on the terminal only
        yield "results", Text([Line(escaped(content.problem))])
    if len(runs) > 1:
        yield from _comparison(compare(runs), say)
    if metrics_of(content.run.history):
        columns = 2 if content.summary else 1
        drawn = curves(content.run.history, columns=columns, size=(6.4 / columns, 2.4))
        yield "curves", Figure(_enlarged(drawn), say["curves"])
    for name in ("confusion_matrix", "mistakes", "fit", "filters", "saliency", "histograms"):
        yield from figure(name)
    for other in texts.others():
        yield from headed("other", as_blocks(other.text, texts.folder), other.title)
    yield from text("conclusion")
    if content.summary is None:
        settings = [(name, brief(value)[:LONG]) for name, value in content.settings.items()]
        for name, rows in (
            *(("settings", settings), ("timing", content.timing)),
            ("environment", content.environment),
        ):
            if rows:
                yield from headed(name, [Table(rows, head=False)])


def _metrics(content, say):
    """Return the table of the metrics of tests and validations."""
    several = len(content.seeds) > 1
    shown = [row for row in content.metrics if row["name"].startswith(("test_", "val_"))]
    measured = any(row["interval"] for row in shown)
    heads = [say["metric"], say["best"], *[say["interval"]] * measured]
    heads += [f"{say['mean']} (n = {len(content.seeds)})"] * several
    rows = [
        [row["name"], brief(row["best"]), *[row["interval"]] * measured]
        + [brief(row["spread"])] * several
        for row in shown
    ]
    return Table([heads, *rows]) if rows else Text([Line(say["no_metrics"])])


def _comparison(found, say):
    """Yield the table of the best runs with the settings that differ, and a figure of all."""
    metrics = [name for name in found["metrics"] if name.startswith("test_")] or found["metrics"]
    metrics, groups, rows = metrics[:2], found["groups"], found["differing"]
    labels = [g["label"] + f" ×{len(g['runs'])}" * (len(g["runs"]) > 1) for g in groups[:RUNS]]
    reached = [dict(zip(found["metrics"], g["spreads"], strict=True)) for g in groups[:RUNS]]
    results = [[name, *(brief(one[name]) for one in reached)] for name in metrics]
    position = found["metrics"].index(metrics[-1]) if metrics else 0
    intervals = [group["intervals"][position] for group in groups[:RUNS]] if metrics else []
    results += [[say["interval"], *intervals]] * any(intervals)
    columns = {
        name: [name.rpartition(".")[2], *(brief(v)[:LONG] for v in values[:RUNS])]
        for name, values in rows.items()
    }
    room = LETTERS - sum(map(_width, [[say["run"], *labels], *results]))
    varied = _most_distinguishing(columns, room)
    shown = [[say["run"], *labels], *(columns[name] for name in varied), *results]
    yield "comparison", Table(list(zip(*shown, strict=True)))
    notes = []
    if len(groups) > RUNS:
        notes.append(say["shown_of"].format(shown=RUNS, count=len(groups)))
    if len(rows) > len(varied):
        others = ", ".join(name for name in rows if name not in varied)
        notes.append(f"{say['also_differing']} {others}")
    lines = [Line(escaped(text)) for text in [" ".join(notes), *found["verdicts"][:2]] if text]
    if lines:
        yield "comparison", Text(lines)
    name = "val_loss" if "val_loss" in found["figures"] else next(iter(found["figures"]), None)
    if name is not None:
        yield "comparison", Figure(_enlarged(found["figures"][name]), name)


def _most_distinguishing(columns, room):
    """Return the names of the columns that distinguish most rows, as many as have room, or one."""
    chosen = []
    for name in sorted(columns, key=lambda name: -len(set(columns[name]))):
        if not chosen or room >= _width(columns[name]):
            room -= _width(columns[name])
            chosen.append(name)
    return [name for name in columns if name in chosen]


def _width(column):
    """Return the letters of a column's longest cell, and of the gap beside it."""
    return max(map(len, column)) + 2


def _enlarged(figure):
    """Return the figure with letters that can be read from a distance."""
    from matplotlib.text import Text as Letters

    for text in figure.findobj(Letters):
        text.set_fontsize(text.get_fontsize() * LARGER)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            if labels:  # those of a later draw
                axis.set_tick_params(labelsize=labels[0].get_fontsize())
    return figure
