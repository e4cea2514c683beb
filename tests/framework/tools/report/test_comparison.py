"""Runs of one experiment are those that differ in the seed only."""

import json
import math
import statistics

import pytest

from firstlight.runs import RunFolder
from firstlight.runs.experiments import grouped, same_experiment
from firstlight.tools.report import gather
from firstlight.tools.report.comparison import (
    Spread,
    differing,
    spread,
)


def test_seeds_belong_together_and_other_settings_do_not(runs):
    first, other = runs[0], runs[3]
    assert [run.config["seed"] for run in same_experiment(first, runs)] == [0, 1, 2]
    assert same_experiment(other, runs) == [other]
    assert [len(group) for group in grouped(runs)] == [3, 1]
    assert differing([first, other]) == {"model.hidden": [[16], [8, 8]]}
    assert differing(runs[:3]) == {}


def test_the_spread_is_the_samples(runs):
    found = spread(runs[:3], "val_loss")
    values = [run.best["val_loss"]["value"] for run in runs[:3]]
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.std == pytest.approx(statistics.stdev(values))
    assert found.count == 3
    assert spread(runs, "val_f1") is None
    assert math.isnan(spread(runs[:1], "val_loss").std)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Spread(0.97123, 0.0042, 3), "0.9712 ± 0.0042"),
        (Spread(0.5, math.nan, 1), "0.5"),
        (Spread(12.3456, 1.5, 2), "12.3 ± 1.5"),
        (Spread(0.25, 0.0, 2), "0.2500 ± 0.0000"),
        (Spread(1234.5, 210.0, 2), "1234 ± 210"),
    ],
)
def test_as_many_digits_as_the_spread_is_worth(value, text):
    assert str(value) == text


def test_what_is_not_finished_or_not_finite_does_not_count(runs, tmp_path):
    copies = []
    for index, status in enumerate(["finished", "failed", "finished"]):
        folder = tmp_path / f"runs/a/{index}"
        folder.mkdir(parents=True)
        config = {**runs[0].config, "seed": index}
        (folder / "config.json").write_text(json.dumps(config))
        value = "NaN" if index == 2 else 0.5
        summary = {"status": status, "metrics": {"test_acc": value}, "best": {}}
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "metrics.jsonl").write_text("")
        copies.append(RunFolder(folder))
    assert [run.config["seed"] for run in same_experiment(copies[0], copies)] == [0, 2]
    assert spread(copies, "test_acc").count == 2


def test_a_metric_whose_name_tells_no_direction_has_its_last_value_in_reports(runs):
    for run in runs[:2]:
        with open(run.path / "metrics.jsonl", "a") as file:
            for step, value in ((900, 5.0), (901, 3.0)):
                record = {"step": step, "epoch": 9, "time": 9.0, "val_diversity": value}
                file.write(json.dumps(record) + "\n")
    again = [RunFolder(run.path) for run in runs]
    content = gather(again[0], again, None)
    told = next(row for row in content.metrics if row["name"] == "val_diversity")
    assert (told["best"], told["last"], told["spread"].count) == (3.0, 3.0, 2)
