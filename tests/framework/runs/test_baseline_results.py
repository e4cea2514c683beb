"""``baselines.json``: written, read, and among a run's metrics."""

import json

import pytest

from firstlight.runs import RunFolder, compare, list_runs
from firstlight.runs.baseline_results import FILE, BaselineResults, Row

RESULTS = BaselineResults(
    "digits",
    "test",
    "acc",
    samples=359,
    fitted=1258,
    rows=[
        Row("majority", "majority class", 0.1, 0.07, 0.13, 0.0),
        Row("network", "MLP", 0.95, 0.92, 0.97, 5),
    ],
)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "mlp" / "a"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    summary = {"status": "finished", "metrics": {"test_loss": 0.2}, "best": {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_they_are_read_as_they_were_written(run):
    assert BaselineResults.read(run) is None
    RESULTS.write(run)
    assert BaselineResults.read(run) == RESULTS
    assert RESULTS.title == "test accuracy"


def test_they_are_metrics_of_the_run(run):
    RESULTS.write(run)
    expected = {"test_loss": 0.2, "test_acc": 0.95, "test_acc_majority": 0.1}
    assert RunFolder(run).metrics == expected
    assert compare.results([RunFolder(run)])["test_acc_majority"] == [0.1]
    found = list_runs(run.parents[1], "test_acc > test_acc_majority")
    assert [one.id for one in found] == ["a"]


def test_the_run_s_own_metric_is_kept(run):
    summary = {"status": "finished", "metrics": {"test_acc": 0.96}, "best": {}}
    (run / "summary.json").write_text(json.dumps(summary))
    RESULTS.write(run)
    assert RunFolder(run).metrics["test_acc"] == 0.96


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("rows"),
        lambda found: found.update(rows=3),
        lambda found: found.update(metric=["acc"]),
        lambda found: found.update(samples="many"),
        lambda found: found.update(more=1),
        lambda found: found["rows"][0].update(value="0.5"),
        lambda found: found["rows"][0].update(label=None),
        lambda found: found["rows"].append("majority"),
        lambda found: found["rows"][0].pop("low"),
    ],
)
def test_a_damaged_file_is_none(run, change):
    found = RESULTS.to_dict()
    change(found)
    (run / FILE).write_text(json.dumps(found))
    assert BaselineResults.read(run) is None
    assert RunFolder(run).metrics == {"test_loss": 0.2}
