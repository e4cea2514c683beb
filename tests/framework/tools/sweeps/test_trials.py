"""Who has taken which trial, and what came of it."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from firstlight.tools.sweeps import SweepSpec, Trials, best_trial, importance, results_table
from firstlight.tools.sweeps.results import explored, ranked
from firstlight.tools.sweeps.trials import note

DEAD = 2**22


@pytest.fixture
def trials(tmp_path):
    return Trials(tmp_path / "runs" / "sweep")


@pytest.fixture
def run(trials):
    """Make a run's folder in the sweep; returns its id."""

    def make(identity, status="finished", best=0.5, stopped=None, checkpoint=False, **summary):
        path = trials.folder / identity
        (path / "checkpoints").mkdir(parents=True)
        if checkpoint:
            (path / "checkpoints" / "last.safetensors").touch()
        (path / "config.json").write_text("{}")
        found = {"status": status, "stopped": stopped, "pid": DEAD, "hostname": platform.node()}
        place = {"value": best, "step": 10, "epoch": 1}
        found |= {"metrics": {"test_acc": 0.9}, "best": {"val_loss": place}} | summary
        (path / "summary.json").write_text(json.dumps(found))
        return identity

    return make


RACE = """
import sys, time
from pathlib import Path
from firstlight.tools.sweeps import Trials

trials = Trials(sys.argv[1])
Path(sys.argv[1], sys.argv[2]).touch()
while not Path(sys.argv[1], "start").exists():
    time.sleep(0.001)
print([n for n in range(1, 101) if trials.take(n, {"by": sys.argv[2]}) is not None])
"""


def test_of_several_processes_one_gets_a_trial(trials):
    trials.folder.mkdir(parents=True)
    names = list("abcd")
    every = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(trials.folder), name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    until(lambda: all((trials.folder / name).exists() for name in names), *every)
    (trials.folder / "start").touch()
    won = [json.loads(process.communicate()[0]) for process in every]
    assert sorted(sum(won, [])) == list(range(1, 101))
    by = {trial.number: trial.parameters["by"] for trial in trials.all()}
    assert by == {n: name for name, numbers in zip(names, won, strict=True) for n in numbers}
    assert len(list(trials.path.iterdir())) == 100  # and nothing left over


def test_a_trial_stands_as_its_run_does(trials, run):
    assert trials.latest(1) is None
    cases = {
        "finished": run("a"),
        "pruned": run("b", stopped="pruned: behind"),
        "failed": run("c", status="failed", error="ValueError: no"),
        "interrupted": run("d", status="interrupted"),
        "crashed": run("e", status="running"),
        "deleted": "gone",
    }
    for number, identity in enumerate(cases.values(), 1):
        note(trials.take(number, {}).path, run=identity)
    assert [trial.status for trial in trials.all()] == list(cases)
    assert trials.latest(3).error == "ValueError: no"


def test_a_trial_without_a_run_is_dead_with_its_process(trials):
    path = trials.take(1, {}).path
    assert trials.latest(1).status == "running"
    note(path, pid=DEAD)
    assert trials.latest(1).status == "crashed"
    note(path, machine="elsewhere")
    assert trials.latest(1).status == "running"
    before = time.time() - 61
    os.utime(path, (before, before))
    assert trials.latest(1).status == "crashed"
    note(path, error="UsageError: no argument")
    assert trials.latest(1).status == "failed"


def test_what_was_broken_off_is_taken_up_once(trials, run):
    first = trials.take(1, {"lr": 0.1})
    note(first.path, run=run("a", status="interrupted", checkpoint=True))
    before = trials.latest(1)
    again = trials.take(1, before.parameters, before)
    assert (again.attempt, again.told["resume"], again.parameters) == (2, "a", {"lr": 0.1})
    assert trials.take(1, before.parameters, before) is None
    note(again.path, run="a")
    assert [trial.attempt for trial in trials.all()] == [2]


def test_a_run_without_a_checkpoint_is_begun_anew(trials, run):
    note(trials.take(1, {}).path, run=run("a", status="running"))
    assert trials.take(1, {}, trials.latest(1)).told["resume"] is None


def test_numbers_beyond_four_digits_stay_in_order(trials):
    for number in (10000, 2, 1):
        trials.take(number, {})
    assert [trial.number for trial in trials.all()] == [1, 2, 10000]


@pytest.fixture
def searched(trials, run):
    """A sweep of five trials and its spec."""
    values = {"a": 0.3, "b": 0.1, "c": float("nan"), "d": 0.05, "e": 0.2}
    for number, (identity, value) in enumerate(values.items(), 1):
        stopped = "pruned: behind" if identity == "d" else None
        value = "NaN" if value != value else value
        note(
            trials.take(number, {"lr": number / 10, "hidden": [64, 32]}).path,
            run=run(identity, best=value, stopped=stopped),
        )
    trials.take(6, {"lr": 0.6, "hidden": [64, 32]})
    parameters = {"lr": {"min": 0.1, "max": 1.0}, "hidden": [[64, 32]]}
    return SweepSpec("sweep", parameters, trials=6), trials.all()


def test_the_best_is_a_trial_that_was_finished(searched):
    spec, trials = searched
    assert [trial.number for trial in ranked(spec, trials)] == [4, 2, 5, 1, 3]
    assert best_trial(spec, trials).number == 2
    assert best_trial(spec, []) is None


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_a_trial_that_diverged_is_the_last_whatever_is_better(trials, run, mode, bad):
    for number, value in enumerate([0.3, bad, 0.1, 0.2], 1):
        found = run(f"r{number}", best=value, metrics={"val_loss": value})
        note(trials.take(number, {"lr": number / 10}).path, run=found)
    goal = {"min": "minimize", "max": "maximize"}[mode]
    spec = SweepSpec("sweep", {"lr": {"min": 0.1, "max": 1.0}}, trials=4, goal=goal)
    order = [trial.number for trial in ranked(spec, trials.all())]
    assert order == ([3, 4, 1, 2] if mode == "min" else [1, 4, 3, 2])
    assert best_trial(spec, trials.all()).number == order[0]
    values, _ = explored(spec, trials.all())
    assert values.tolist() == [0.3, np.inf if mode == "min" else -np.inf, 0.1, 0.2]
    assert best_trial(spec, [trials.latest(2)]) is None


def test_the_table_has_a_row_for_each_trial(searched):
    spec, trials = searched
    rows = results_table(spec, trials)
    assert [row["trial"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[1] == {
        **{"trial": 2, "run": "b", "status": "finished", "val_loss": 0.1, "lr": "0.2"},
        **{"hidden": "64,32", "test_acc": 0.9, "epochs": 0, "time": 0, "error": None},
    }
    assert (rows[5]["run"], rows[5]["val_loss"]) == (None, None)


def test_only_what_varies_and_has_a_result_is_explored(searched):
    values, parameters = explored(*searched)
    np.testing.assert_array_equal(values, [0.3, 0.1, np.inf, 0.05, 0.2])
    assert parameters == {"lr": [0.1, 0.2, 0.3, 0.4, 0.5]}


def test_importance_finds_what_matters():
    rng = np.random.default_rng(0)
    lr = 10 ** rng.uniform(-4, -1, 120)
    width = rng.choice([16, 64, 256], 120)
    idle = rng.choice(["a", "b"], 120)
    loss = np.abs(np.log10(lr) + 2.5) + 0.2 * (width == 16) + 0.05 * rng.normal(size=120)
    loss[3] = 1e9  # a training that diverged must not count for everything
    found = importance(
        loss, {"idle": list(idle), "width": list(width), "lr": list(lr), "flag": [True, False] * 60}
    )
    assert list(found)[0] == "lr"
    assert found["lr"] > 0.5
    assert max(found["idle"], found["flag"]) < 0.05 < found["width"] + 0.05


def test_equal_results_share_a_rank_in_whatever_order_they_came():
    values, setting = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0], [0, 1] * 4
    assert importance(values, {"a": setting}) == importance(values[::-1], {"a": setting})
    assert importance(values, {"a": setting})["a"] == 0


def test_importance_says_where_there_is_too_little_to_tell():
    found = importance([1.0, 2.0, 3.0], {"a": [1, 2, 3]})
    assert np.isnan(found["a"])
    found = importance(np.arange(12.0), {"a": list("abcdefghijkl"), "same": [1] * 12})
    assert np.isnan(list(found.values())).all()


def test_a_damaged_file_is_passed_over(trials):
    trials.take(1, {})
    Path(trials.path / "0002.1.json").write_text("")
    assert [trial.number for trial in trials.all()] == [1]
