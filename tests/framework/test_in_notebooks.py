"""Objects as tables of HTML, which notebooks show at the end of a cell."""

from html.parser import HTMLParser

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.runs.history import History, LongHistory
from firstlight.support.html import table
from firstlight.testing import tiny_trainer
from firstlight.tools.diagnose.report import Report

EVIL = "<script>alert(1)</script>"


class Cells(HTMLParser):
    """The rows of a table, and the text outside it; every tag that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.outside, self.open, self.tags = [], "", [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += text
        else:
            self.outside += text


def shown(thing):
    return Cells(thing._repr_html_())


def test_every_text_of_a_table_is_escaped():
    made = Cells(table([["a", EVIL], [EVIL, 1]], below=[EVIL]))
    assert made.rows == [["a", EVIL], [EVIL, "1"]]
    assert made.outside == EVIL
    assert "script" not in made.tags


def test_a_module_is_the_tree_of_its_layers():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    made = shown(net)
    assert made.rows == [
        ["Name", "Type", "Arguments", "Parameters"],
        ["model", "Sequential", "", "-"],
        ["  0", "Linear", "4, 3, bias=True", "15"],
        ["  1", "ReLU", "", "-"],
    ]
    assert made.outside == "Parameters: 15"


def test_shared_parameters_are_counted_once():
    layer = nn.Linear(4, 4)
    assert shown(nn.Sequential(layer, layer)).outside == "Parameters: 20"


def test_a_summary_is_the_table_that_it_prints():
    summary = nn.Sequential(nn.Linear(4, 3)).summary(np.zeros((2, 4), "float32"))
    made, lines = shown(summary), str(summary).splitlines()
    assert [" ".join(row).split() for row in made.rows] == [
        line.split() for line in lines if not line.startswith("-")
    ][:3]
    assert made.outside == "".join(lines[-3:])


@pytest.mark.parametrize("kind", [History, LongHistory])
def test_a_history_is_the_last_and_the_best_of_each_metric(kind):
    history = kind()
    for epoch, loss in ((1, 0.5), (2, 0.25), (3, 0.75)):
        record = {"step": epoch, "epoch": epoch, "time": 0.1, "val_loss": loss, "a<b": 1.0}
        history.add(record | {"update_ratio/body.0.weight": 1e-3})
    assert shown(history).rows == [
        ["metric", "last", "best", "epoch"],
        ["val_loss", "0.75", "0.25", "2"],
        ["a<b", "1", "", ""],
    ]


def test_data_splits_are_the_table_of_their_splits():
    x, y = np.zeros((6, 3), "float32"), np.array([0, 1, 0, 1, 0, 1])
    splits = fl.DataSplits((x[:4], y[:4]), val=x[4:], classes=["no", EVIL], batch_size=2, name="n")
    made = shown(splits)
    assert made.rows == [
        ["split", "x", "y", "samples", "batches"],
        ["train", "float32 (3,)", "int64 ()", "4", "2"],
        ["val", "float32 (3,)", "", "2", "1"],
    ]
    assert made.outside == f"n, target: 2 classes (no, {EVIL})"


@pytest.mark.parametrize("name", ["digits", "arithmetic", "polynomial"])
def test_data_sets_of_every_kind_have_a_table(name):
    data = fl.datasets.load(name)
    assert [row[0] for row in shown(data).rows[1:]] == list(data.parts)


def test_a_report_is_what_it_prints():
    report = Report(EVIL, "digits")
    report.add("model", "body")
    made = shown(report)
    assert made.outside.split() == str(report).split()
    assert f"{EVIL} on digits: nothing wrong" in made.outside
    assert "script" not in made.tags


def test_a_list_of_runs_is_a_table_of_their_results():
    trainer = tiny_trainer(runs_dir="runs")
    runs = fl.runs.list_runs("runs")
    head, row = shown(runs).rows
    assert head == ["run", "status", "tags", "epochs", "best.val_loss", "best.val_acc", "seconds"]
    assert row[:4] == [f"{trainer.run.name}/{trainer.run.id}", "finished", "", "2"]
    assert float(row[4]) == pytest.approx(runs[0].value("val_loss"), rel=1e-3)
    assert runs == list(runs)


def test_no_runs_are_an_empty_table():
    assert len(shown(fl.runs.list_runs("runs")).rows) == 1
