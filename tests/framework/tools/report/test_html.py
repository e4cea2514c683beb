"""A report is one file: complete, well-formed, asking for nothing from outside."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.runs import RunFolder, list_runs
from firstlight.runs.baseline_results import BaselineResults, Row
from firstlight.tools.cli.commands.report import NO_CHECKPOINT, rebuilt
from firstlight.tools.report import gather, of_trainer, read_sections, write_report
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.parts import brief

FETCHED = ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Keeps what a page consists of, and checks that its elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.words, self.places = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if tag != "a" and name in (
                "src",
                "href",
                "xlink:href",
                "action",
                "data",
                "poster",
                "srcset",
            ):
                self.places.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture(scope="module")
def report(runs_dir):
    """Return a function that writes a report and returns its text; pictures take longest."""

    def write(path, index=2, compared=(), texts=None, language="en", pictures=False):
        runs = list_runs(runs_dir)
        model, missing = rebuilt(runs[index].path) if pictures else (None, "")
        content = gather(runs[index], runs, model, language=language, missing=missing)
        write_report(path, content, [runs[i] for i in compared], texts, language)
        return path.read_text(encoding="utf-8")

    return write


@pytest.fixture(scope="module")
def single(report, tmp_path_factory):
    return report(tmp_path_factory.mktemp("html") / "report.html", pictures=True)


@pytest.fixture(scope="module")
def compared(report, tmp_path_factory):
    return report(tmp_path_factory.mktemp("html") / "all.html", compared=range(4))


@pytest.mark.slow
def test_it_is_well_formed_and_its_pictures_have_a_text(single):
    page = Page(single)
    assert len(page.ids) == len(set(page.ids))
    assert {place[1:] for place in page.places if place.startswith("#")} <= set(page.ids)
    assert page.tags.count("img") >= 6
    assert len(re.findall(r'<img src="data:image/svg[^"]*" alt="\w[^"]*"', single)) >= 6


def test_nothing_comes_from_outside(single):
    page = Page(single)
    assert all(place.startswith(("#", "data:")) for place in page.places)
    assert not set(page.tags) & {"script", "iframe", "object", "embed", "video"}
    assert "@import" not in single
    assert all(match.startswith("#") for match in re.findall(r"url\(([^)]*)\)", single))


def test_it_tells_everything_there_is_to_tell(single, runs):
    page = Page(single)
    text = " ".join(page.words)
    headings = ["Data", "Model", "Learning curves", "Results", "Confusion matrix"]
    headings += ["Worst mistakes", "Time", "Environment", "Settings", "How to reproduce"]
    assert [word for word in page.words if word in headings][: len(headings)] == headings
    assert page.tags.count("figure") >= 6
    assert f"firstlight fit --config runs/{runs[2].label}" in text
    assert "Mean ± std (3 Seeds: 0, 1, 2)" in text
    assert f"{runs[2].metrics['test_acc']:.4g}" in page.words
    assert "BatchNorm1d" in page.words
    assert {"model.hidden", "numpy"} <= set(page.words)
    assert "Layers and their connections" in page.words


def test_a_comparison_comes_first_and_marks_the_best(compared):
    page = Page(compared)
    assert "Comparison · 4 Runs" in " ".join(" ".join(page.words).split())
    assert {"model.hidden", "8, 8", "0, 1, 2"} <= set(page.words)
    assert any(word.startswith("The best run: mlp-digits/") for word in page.words)
    assert sum("±" in word for word in page.words) >= 4


def test_test_results_have_intervals_and_a_verdict(single, compared):
    assert "95 % interval" in single
    assert re.search(r"test_acc.*?\[0\.\d+, 0\.\d+\]", single, re.S)
    assert re.search(r"<td class=\"n\">[^<]*\[\d\.\d+, \d\.\d+\]</td>", compared)
    assert re.search(r"on test accuracy (by|is)|on test accuracy: ", compared)
    assert "test samples)" in compared


def test_texts_are_markdown_and_cannot_bring_html(report, tmp_path):
    (tmp_path / "t.md").write_text(
        "# Über <b>alles</b>\n\n## Frage\n\n**bold** <script>alert(1)</script>\n"
        "\n## Fazit\n\n- one\n\n## Own & other\n\ntext\n",
        encoding="utf-8",
    )
    html = report(tmp_path / "t.html", texts=read_sections(tmp_path / "t.md"), language="de")
    page = Page(html)
    assert "script" not in page.tags
    assert all(place.startswith(("#", "data:")) for place in page.places)
    assert {"Über <b>alles</b>", "Fazit", "Own & other", "Lernkurven"} <= set(page.words)
    assert '<html lang="de">' in html


def test_a_run_of_a_script_has_all_but_the_model(by_script, tmp_path):
    model, missing = rebuilt(by_script.path)
    assert model is None
    assert "cannot be made again" in missing
    (by_script.path / "gradients.json").write_text(
        json.dumps([{"parameter": "body.weight", "error": 1.5e-9}])
    )
    content = gather(by_script, [by_script], None, missing=missing)
    write_report(tmp_path / "s.html", content)
    page = Page((tmp_path / "s.html").read_text(encoding="utf-8"))
    assert missing in content.missing
    assert {
        "Learning curves",
        content.missing,
        content.structure,
        "Gradient check",
        "1.5e-09",
    } <= set(page.words)
    assert "One seed only: the spread over seeds is not known." in page.words
    assert any(word.startswith("python ") or "git checkout" in word for word in page.words)


@pytest.mark.parametrize("broken", slow_but(["{", '{"a": 1}', "[1, 2]"], "[1, 2]"))
def test_a_damaged_gradient_table_is_left_out(by_script, broken):
    (by_script.path / "gradients.json").write_text(broken)
    assert gather(by_script).gradients == []


def test_baselines_have_a_table_of_their_own(by_script, tmp_path):
    rows = [
        Row("mean", "mean of the target", 0.0, -0.1, 0.1, 0),
        Row("network", "Net", 0.9, 0, 1, 2),
    ]
    BaselineResults("line", "test", "r2", 8, 8, rows).write(by_script.path)
    content = gather(RunFolder(by_script.path), language="de")
    assert content.baselines == [
        ("Verfahren", "R² im Test", "95-%-Intervall", "Sekunden zum Anpassen"),
        ("Net (dieser Lauf)", "0.9000", "[0.0, 1.0]", "2.0"),
        ("Mittelwert des Ziels", "0.0000", "[-0.10, 0.10]", "0.0"),
    ]
    names = [row["name"] for row in content.metrics]
    assert "test_r2" in names
    assert "test_r2_mean" not in names
    write_report(tmp_path / "report.html", content, language="de")
    text = (tmp_path / "report.html").read_text()
    assert (
        text.index("Ergebnisse") < text.index("Einfache Verfahren") < text.index("95-%-Intervall")
    )


@pytest.mark.slow
def test_baselines_are_rows_of_a_comparison(runs, tmp_path):
    copies = [RunFolder(shutil.copytree(run.path, tmp_path / run.id)) for run in runs]
    metrics = compare(copies)["metrics"]
    rows = [Row("forest", "random forest", 0.9, 0.8, 0.95, 0.001)]
    for run in copies[1:]:
        BaselineResults("digits", "test", "acc", 359, 1000, rows).write(run.path)
    copies = [RunFolder(run.path) for run in copies]  # their files are read once
    found = compare(copies)
    assert found["metrics"] == metrics  # no column for each
    (row,) = found["baselines"]
    assert (row["label"], row["interval"], row["time"]) == (
        "random forest",
        "[0.80, 0.95]",
        "0.0 s",
    )
    assert dict(zip(metrics, row["values"], strict=True))["test_acc"] == 0.9
    write_report(tmp_path / "r.html", gather(copies[0]), copies)
    told = Page((tmp_path / "r.html").read_text()).words
    assert told.index("random forest") < told.index("0.9 [0.80, 0.95]")
    BaselineResults("other", "test", "acc", 9, 9, rows).write(copies[0].path)
    assert compare([RunFolder(run.path) for run in copies])["baselines"] == []


def test_values_are_brief():
    values = [None, True, 0.1 + 0.2, [1, None], "x"]
    assert [brief(value) for value in values] == ["–", "true", "0.3", "1, –", "x"]


def test_the_environment_is_short_and_the_rest_is_folded(single, runs):
    folded = re.search("<details>.*</details>", single, re.DOTALL)[0]
    shown, hidden = (set(Page(part).words) for part in (single.replace(folded, ""), folded))
    assert {"pytest", "matplotlib"} <= set(runs[2].environment["packages"])
    assert {"Python", "BLAS", "numpy", "matplotlib"} <= shown
    assert "pytest" in hidden
    assert not {"pytest", "matplotlib"} & (shown & hidden)


def test_a_comparison_of_many_runs_has_room_and_begins_with_the_best(compared, runs):
    page = Page(compared)
    best = min(runs, key=lambda run: run.best["val_loss"]["value"])
    ends = [word.split()[0] for word in page.words if word.split()[:1] == [best.id[-4:]]]
    assert ends, "a short label stands for the best run"
    assert compare(runs)["runs"][0].path == best.path


def test_a_failed_run_tells_how_it_ended(line, line_data, tmp_path):
    class Boom(fl.Callback):
        def on_train_batch_end(self):
            raise RuntimeError("boom <1>")

    trainer = fl.Trainer(max_epochs=3, callbacks=[Boom()], runs_dir=tmp_path / "r", name="boom")
    with pytest.raises(RuntimeError):
        trainer.fit(line(), line_data)
    run = RunFolder(trainer.run.path)
    assert run.place["epoch"] == 0, "no epoch was whole"
    content = gather(run, language="de", missing=NO_CHECKPOINT)
    write_report(tmp_path / "b.html", content, language="de")
    page = Page((tmp_path / "b.html").read_text(encoding="utf-8"))
    assert {"gescheitert: RuntimeError: boom <1>", "Es wurde nichts gemessen."} <= set(page.words)
    assert any("Checkpoint; er endete vor dem ersten" in word for word in page.words)


def test_a_script_can_write_its_own_report(tmp_path):
    digits = fl.datasets.load("digits")
    trainer = fl.Trainer(max_epochs=2, runs_dir=tmp_path / "r", limit_train_batches=3)
    trainer.fit(fl.models.MLP(64, 10, hidden=(8,)), digits)
    content = of_trainer(trainer, digits, language="de")
    assert {"curves", "confusion_matrix", "sample", "filters"} <= set(content.figures)
    assert content.missing == ""
    with pytest.raises(ValueError, match="expected a trainer whose fit has made a run"):
        of_trainer(fl.Trainer(runs_dir=None), digits)
    assert content.summary.parameters == sum(p.size for p in trainer.module.parameters())


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_finds_nothing_to_complain_about(single, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(single, encoding="utf-8")
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0"]
    command += ["--window-size=1280,900", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, check=True)
    assert "How to reproduce" in done.stdout
    assert "CONSOLE" not in done.stderr
