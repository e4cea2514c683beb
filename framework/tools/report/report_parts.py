"""The parts of a report, in reading order."""

from collections.abc import Iterator, Sequence
from typing import Any

from firstlight.runs import RunFolder
from firstlight.support.summary import human
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.content import Content
from firstlight.tools.report.parts import (
    Beside,
    Code,
    Facts,
    Figure,
    Fold,
    Heading,
    Note,
    Part,
    Prose,
    Table,
    brief,
)
from firstlight.tools.report.provenance import duration
from firstlight.tools.report.sections import Texts

FIGURES = ("confusion_matrix", "mistakes", "fit", "filters", "saliency", "histograms")
CURVES = ("calibration", "roc", "precision_recall")  # have no room on a poster
INDENT = "\u2002"  # of a layer's name, for each module that it is in


class ReportParts:
    """The parts of a report on a run, or on several and the best of them.

    Parameters
    ----------
    content : Content
        Of the run, or of the best.
    runs : list of RunFolder
        Two or more are compared.
    texts : Texts
    say : dict of str to str
        Words of the language.
    folded : bool
        Include what a page shows only on request.
    """

    def __init__(
        self,
        content: Content,
        runs: Sequence[RunFolder],
        texts: Texts,
        say: dict[str, str],
        folded: bool = False,
    ):
        self.folded: bool = folded
        self.content: Content = content
        self.runs: Sequence[RunFolder] = runs
        self.texts: Texts = texts
        self.say: dict[str, str] = say
        self._written: set[str] = set()  # names of sections

    def __iter__(self) -> Iterator[Part]:
        content, texts, say = self.content, self.texts, self.say
        yield from self.question()
        if len(self.runs) > 1:
            yield from self._comparison(compare(self.runs))
        if content.missing:
            yield Note("missing", content.missing, "notice")
        if content.problem:
            yield Note("problem", content.problem, "problem")
        yield Facts("facts", content.facts)
        if "sample" in content.figures or texts.take("data"):
            yield from self.headed("data", *self.figure("sample", 2))
        if content.summary or content.structure or texts.take("model"):
            yield from self.headed("model", *self._model(), *self.figure("network", 2))
        if texts.take("method"):
            yield from self.headed("method")
        if "curves" in content.figures:
            yield from self.headed(
                "curves", Figure("curves", content.figures["curves"], say["curves"])
            )
        yield from self._results()
        for name in (FIGURES[0], *CURVES, *FIGURES[1:]):
            yield from self.figure(name, 2)
        if content.written:
            yield Heading("text", say["text"], 2)
            yield Code("text", content.written)
        if content.gradients:
            rows = [list(content.gradients[0]), *(row.values() for row in content.gradients)]
            cells = [[brief(cell) for cell in row] for row in rows]
            yield from self.headed("gradients", Table("gradients", cells))
        yield from self.others()
        if texts.take("conclusion"):
            yield from self.headed("conclusion")
        yield from self._provenance()

    # --- what a poster has, too

    def question(self) -> Iterator[Part]:
        """Yield the question: the user's text, or the run's note."""
        if self.texts.take("question"):
            yield from self.headed("question")
        elif self.content.run.note:
            yield from self.headed("question", Note("question", self.content.run.note))

    def headed(self, name: str, *parts: Part) -> Iterator[Part]:
        """Yield a section's heading, the user's text, and parts."""
        yield Heading(name, self.say[name])
        yield from self.prose(name)
        yield from parts

    def prose(self, name: str) -> Iterator[Part]:
        """Yield the user's text of a section, if there is one."""
        found = self.texts.take(name)
        self._written.add(name)
        if found and found.text:
            yield Prose(name, found.text)

    def figure(self, name: str, level: int) -> Iterator[Part]:
        """Yield a figure below its heading, if there is one."""
        if name in self.content.figures:
            yield Heading(name, self.say[name], level)
            yield from self.prose(name)
            yield Figure(name, self.content.figures[name], self.say[name])

    def others(self) -> Iterator[Part]:
        """Yield the sections that have no place: with headings of the user's, or without figure."""
        for other in self.texts.sections:
            if other.name in self._written | {"conclusion"}:
                continue
            yield Heading("other", other.title)
            yield Prose("other", other.text)

    # --- what only a report has

    def _model(self) -> Iterator[Part]:
        summary, say = self.content.summary, self.say
        if summary:
            titles = (*(say[name] for name in ("layer", "type", "output", "parameters")), "FLOPs")
            rows = [
                (INDENT * row.depth + row.cells()[0], *row.cells()[1:5]) for row in summary.rows
            ]
            yield Table("model", [titles, *rows])
            size = human(summary.parameter_bytes, unit="B")
            yield Note("model", f"{summary.parameters:,} {say['parameters']}, {size}", "quiet")
        elif self.content.structure:
            yield Code("model", self.content.structure)

    def _results(self) -> Iterator[Part]:
        content, say, several = self.content, self.say, len(self.content.seeds) > 1
        compared = len(self.runs) > 1
        yield Heading("results", say["results"])
        if not compared:
            yield from self.prose("results")
        if content.metrics:
            measured = any(row["interval"] for row in content.metrics)
            seeds = f"{len(content.seeds)} {say['seeds']}: {', '.join(map(str, content.seeds))}"
            titles = [say["metric"], say["best"], *[say["interval"]] * measured]
            titles += [say["epoch"], say["last"], *[f"{say['mean']} ({seeds})"] * several]
            rows = [
                [row["name"], brief(row["best"]), *[row["interval"]] * measured]
                + [brief(row["epoch"]), brief(row["last"]), *[brief(row["spread"])] * several]
                for row in content.metrics
            ]
            yield Table("results", [titles, *rows])
            if measured and not compared:
                yield Note("results", say["interval_note"], "quiet")
        else:
            yield Note("results", say["no_metrics"], "quiet")
        if len(content.seeds) == 1:
            yield Note("results", say["one_seed"], "quiet")
        if content.baselines:
            yield Heading("baselines", say["baselines"], 2)
            yield from self.prose("baselines")
            yield Table("baselines", content.baselines)

    def _comparison(self, found: dict[str, Any]) -> Iterator[Part]:
        say, groups = self.say, found["groups"]
        yield from self.headed("results")
        settings = found["differing"] if found["beside"] else {}
        titles = [say["run"], *settings, *[say["seeds"]] * found["seeds"]]
        rows = [[*titles, *found["metrics"], say["timing"]]]
        for index, group in enumerate(groups):
            more = f" +{len(group['runs']) - 1}" if len(group["runs"]) > 1 else ""
            row = [group["label"] + more, *(brief(values[index]) for values in settings.values())]
            row += [", ".join(group["seeds"])] * found["seeds"]
            pairs = zip(group["spreads"], group["intervals"], strict=True)
            row += [f"{brief(value)} {interval}".strip() for value, interval in pairs]
            rows.append([*row, duration(group["time"])])
        for baseline in found["baselines"]:
            empty = [brief(None)] * (len(settings) + found["seeds"])
            values = [
                brief(value) if value is None else f"{brief(value)} {baseline['interval']}"
                for value in baseline["values"]
            ]
            rows.append([baseline["label"], *empty, *values, baseline["time"]])
        best = [
            at
            for at, group in enumerate(groups, 1)
            if any(run.path == self.content.run.path for run in group["runs"])
        ]
        yield Table("comparison", rows, best=best)
        note = say["spread_note"]
        if any(one for group in groups for one in group["intervals"]):
            note += f" […] {say['interval']}. {say['interval_note']}"
        yield Note("comparison", note, "quiet")
        for sentence in found["verdicts"]:
            yield Note("comparison", sentence)
        if found["differing"] and not found["beside"]:
            rows = [[name, *map(brief, values)] for name, values in found["differing"].items()]
            yield Heading("differing", say["differing"], 2)
            yield Table("differing", [["", *(group["label"] for group in groups)], *rows])
        for name, figure in found["figures"].items():
            yield Figure(f"comparison_{name}", figure, name)
        yield Heading("best_run", f"{say['best_run']}: {self.content.run.label}")

    def _provenance(self) -> Iterator[Part]:
        content, say = self.content, self.say

        def pairs(name, rows):
            cells = [(key, brief(value)) for key, value in rows]
            return [Table(name, cells, head=False)] if cells else []

        machine = [Heading("environment", say["environment"])]
        machine += pairs("environment", content.environment)
        if content.packages and self.folded:
            title = f"{say['packages']} ({len(content.packages)})"
            machine.append(Fold("packages", title, pairs("packages", content.packages)))
        times = [Heading("timing", say["timing"]), *pairs("timing", content.timing)]
        yield Beside("provenance", times, machine)
        yield Heading("settings", say["settings"])
        yield from pairs("settings", content.settings.items())
        yield Heading("reproduce", say["reproduce"])
        yield Code("reproduce", "\n".join(content.commands))
