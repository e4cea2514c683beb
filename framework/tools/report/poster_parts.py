"""The parts of a poster, in reading order: less than a report has, in larger letters."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from firstlight.tools.figures import curves
from firstlight.tools.figures.learning_curves import metrics_of
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.parts import Code, Figure, Heading, Note, Part, Table, brief
from firstlight.tools.report.report_parts import FIGURES, ReportParts

LAYERS = 16  # rows of the model's table
RUNS = 12  # rows of a comparison
LETTERS = 75  # in a row of it, for a readable size
LONG = 60  # characters of a setting
WRITTEN = 12  # lines of a language model's text
SPARE = (
    "environment",
    "settings",
    "timing",
    "histograms",
    "saliency",
    "filters",
    "network",
    "sample",
    "curves_of_all",
    "mistakes",
    "text",
)


class PosterParts(ReportParts):
    """The parts of a poster; settings, time and machine fill the place of a missing model."""

    def __iter__(self) -> Iterator[Part]:
        content, texts, say = self.content, self.texts, self.say
        yield from self.question()
        if texts.take("data"):
            yield from self.headed("data")
        yield from self.figure("sample", 1 if texts.take("data") is None else 2)
        if content.summary or content.structure or texts.take("model"):
            yield from self.headed("model", *self._layers(), *self.figure("network", 2))
        if texts.take("method"):
            yield from self.headed("method")
        yield from self.headed("results", *self._metrics())
        if content.baselines:  # without the time to fit
            yield Table("baselines", [row[:3] for row in content.baselines])
        if content.problem:  # why pictures are missing is printed on the terminal only
            yield Note("results", content.problem)
        if len(self.runs) > 1:
            yield from self.compared(compare(self.runs))
        yield from self._curves()
        yield from chain.from_iterable(self.figure(name, 2) for name in FIGURES)
        if content.written:
            yield Heading("text", say["text"], 2)
            yield Code("text", "\n".join(content.written.splitlines()[:WRITTEN]))
        yield from self.others()
        if texts.take("conclusion"):
            yield from self.headed("conclusion")
        if content.summary is None:
            settings = [(name, brief(value)[:LONG]) for name, value in content.settings.items()]
            for name, rows in (
                *(("settings", settings), ("timing", content.timing)),
                ("environment", content.environment),
            ):
                if rows:
                    yield Heading(name, say[name])
                    yield Table(name, rows, head=False)

    def _layers(self):
        summary = self.content.summary
        if summary:
            rows = [row.cells()[:4] for row in summary.rows]
            if len(rows) > LAYERS:
                rows = [*rows[: LAYERS - 1], ("…", "", "", f"{summary.parameters:,}")]
            titles = [self.say[name] for name in ("layer", "type", "output", "parameters")]
            yield Table("model", [titles, *rows])
        elif self.content.structure:
            yield Code("model", self.content.structure)

    def _metrics(self):
        """Yield the table of the metrics of tests and validations."""
        content, say = self.content, self.say
        several = len(content.seeds) > 1
        shown = [row for row in content.metrics if row["name"].startswith(("test_", "val_"))]
        measured = any(row["interval"] for row in shown)
        titles = [say["metric"], say["best"], *[say["interval"]] * measured]
        titles += [f"{say['mean']} (n = {len(content.seeds)})"] * several
        rows = [
            [row["name"], brief(row["best"]), *[row["interval"]] * measured]
            + [brief(row["spread"])] * several
            for row in shown
        ]
        yield Table("results", [titles, *rows]) if rows else Note("results", say["no_metrics"])

    def _curves(self):
        run = self.content.run
        if metrics_of(run.history) and run.place["epoch"] > 1:  # not a point
            columns = 2 if self.content.summary else 1
            drawn = curves(run.history, columns=columns, size=(6.4 / columns, 2.4))
            yield Heading("curves", self.say["curves"], 2)
            yield from self.prose("curves")
            yield Figure("curves", drawn, self.say["curves"])

    def compared(self, found: dict[str, Any]) -> Iterator[Part]:
        """Yield the table of the best runs with the settings that differ, and a figure of all."""
        say, groups, rows = self.say, found["groups"], found["differing"]
        metrics = [name for name in found["metrics"] if name.startswith("test_")]
        metrics = (metrics or found["metrics"])[:2]
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
        yield Table("comparison", list(zip(*shown, strict=True)))
        notes = []
        if len(groups) > RUNS:
            notes.append(say["shown_of"].format(shown=RUNS, count=len(groups)))
        if len(rows) > len(varied):
            others = ", ".join(name for name in rows if name not in varied)
            notes.append(f"{say['also_differing']} {others}")
        for text in [" ".join(notes), *found["verdicts"][:2]]:
            if text:
                yield Note("comparison", text)
        name = "val_loss" if "val_loss" in found["figures"] else next(iter(found["figures"]), None)
        if name is not None:
            yield Figure("curves_of_all", found["figures"][name], name)


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
