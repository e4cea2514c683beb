"""Who has taken which trial, and what came of it."""

import json
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
from waiting import until

from firstlight.runs.processes import identity
from firstlight.tools.sweeps import SweepSpec, Trials, best_trial, results_table
from firstlight.tools.sweeps.results import explored, ranked

pytest.importorskip("optuna")

DEAD = 2**22
SPEC = SweepSpec("sweep", {"lr": {"min": 0.1, "max": 1.0}, "hidden": [[64, 32]]}, trials=24)


@pytest.fixture
def trials(tmp_path):
    (tmp_path / "runs" / "sweep").mkdir(parents=True)
    return Trials(tmp_path / "runs" / "sweep", SPEC)


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
from firstlight.tools.sweeps import SweepSpec, Trials

trials = Trials(sys.argv[1], SweepSpec("sweep", {"lr": {"min": 0.1, "max": 1.0}}, trials=24))
Path(sys.argv[1], sys.argv[2]).touch()
while not Path(sys.argv[1], "start").exists():
    time.sleep(0.001)
taken = []
while (trial := trials.take()) is not None:
    taken.append(trial.number)
print(taken)
sys.stdout.flush()
sys.stdin.read()  # a process that ends gives its trials up
"""


@pytest.mark.slow
def test_of_several_processes_one_gets_a_trial(trials):
    names = list("abcd")
    every = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(trials.folder), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    until(lambda: all((trials.folder / name).exists() for name in names), *every)
    (trials.folder / "start").touch()
    won = [json.loads(process.stdout.readline()) for process in every]
    assert sorted(sum(won, [])) == list(range(1, 25))
    assert {trial.status for trial in trials.all()} == {"running"}
    assert len({trial.parameters["lr"] for trial in trials.all()}) == 24
    assert not list(trials.folder.glob("*.lock"))
    for process in every:
        process.communicate()
    assert {trial.status for trial in trials.all()} == {"crashed"}


def test_a_trial_stands_as_its_run_does(trials, run):
    assert trials.all() == []
    cases = {
        "finished": run("a"),
        "pruned": run("b", stopped="pruned: behind"),
        "failed": run("c", status="failed", error="ValueError: no"),
        "interrupted": run("d", status="interrupted"),
        "crashed": run("e", status="running"),
        "deleted": "gone",
    }
    fill(trials, cases.values())
    assert [trial.status for trial in trials.all()] == list(cases)
    assert trials.get(3).error == "ValueError: no"
    trials._tell()
    states = [trial.state.name for trial in trials.study.trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "RUNNING", "RUNNING", "RUNNING"]
    assert [trial.status for trial in trials.all()] == list(cases)


def test_a_trial_without_a_run_is_dead_with_its_process(trials):
    trials.take()
    assert trials.get(1).status == "running"
    owner = identity()
    for seconds, changed, status in (
        (0, {"pid": DEAD}, "crashed"),
        (0, {"machine": "elsewhere"}, "running"),
        (61, {"machine": "elsewhere"}, "crashed"),
        (-3600, {"machine": "elsewhere"}, "crashed"),  # a clock that was ahead
    ):
        trials.note(1, owner=owner | changed | {"time": time.time() - seconds})
        assert trials.get(1).status == status
    trials.note(1, error="UsageError: no argument")
    assert trials.get(1).status == "failed"


def test_what_was_interrupted_is_resumed_once(trials, run):
    first = trials.take()
    assert trials.take().number == 2
    trials.note(1, run=run("a", status="interrupted", checkpoint=True))
    again = trials.take()
    assert (again.number, again.attempt, again.parameters) == (1, 2, first.parameters)
    assert (again.run, again.resume, again.status) == (None, trials.folder / "a", "running")
    assert trials.take().number == 3
    trials.note(1, owner=None)  # killed before it had a run: the checkpoint is still known
    once_more = trials.take()
    assert (once_more.number, once_more.attempt) == (1, 3)
    assert once_more.resume == trials.folder / "a"
    trials.note(1, run="a")
    assert [trial.attempt for trial in trials.all()] == [3, 1, 1]
    assert trials.take(passed_over=[1]).number == 4


def test_a_run_without_a_checkpoint_is_started_again(trials, run):
    trials.take()
    trials.note(1, run=run("a", status="running"))
    again = trials.take()
    assert (again.number, again.attempt, again.resume) == (1, 2, None)


def test_a_trial_whose_process_was_killed_while_it_took_it_is_completed(trials):
    trials.study.ask()  # neither settings nor an owner
    assert (trials.get(1).status, trials.get(1).parameters) == ("crashed", {})
    taken = trials.take()
    assert (taken.number, taken.attempt, set(taken.parameters)) == (1, 1, {"lr", "hidden"})


def test_a_lock_that_a_dead_process_left_is_taken_over(trials):
    (trials.folder / "trials.lock").touch()
    trials._lock.grace_period = 0.2
    assert trials.take().number == 1
    assert not (trials.folder / "trials.lock").exists()


def fill(trials, runs):
    """Give the first trials runs."""
    for number, name in enumerate(runs, 1):
        trials.take(range(number))
        trials.note(number, run=name)


@pytest.fixture
def searched(trials, run):
    """A sweep of five trials with results and one without, and its spec."""
    values = {"a": 0.3, "b": 0.1, "c": "NaN", "d": 0.05, "e": 0.2}
    runs = [
        run(identity, best=value, stopped="pruned: behind" if identity == "d" else None)
        for identity, value in values.items()
    ]
    fill(trials, runs)
    trials.take()
    return SPEC, trials.all()


def test_the_best_is_a_trial_that_was_finished(searched):
    spec, trials = searched
    assert [trial.number for trial in ranked(spec, trials)] == [4, 2, 5, 1, 3]
    assert best_trial(spec, trials).number == 2
    assert best_trial(spec, []) is None


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_a_trial_that_diverged_is_the_last_whatever_is_better(trials, run, mode, bad):
    goal = {"min": "minimize", "max": "maximize"}[mode]
    spec = SweepSpec("sweep", {"lr": {"min": 0.1, "max": 1.0}}, trials=4, goal=goal)
    trials = Trials(trials.folder, spec)
    values = [0.3, bad, 0.1, 0.2]
    fill(trials, [run(f"r{v}", best=v, metrics={"val_loss": v}) for v in values])
    order = [trial.number for trial in ranked(spec, trials.all())]
    assert order == ([3, 4, 1, 2] if mode == "min" else [1, 4, 3, 2])
    assert best_trial(spec, trials.all()).number == order[0]
    values, _ = explored(spec, trials.all())
    assert values.tolist() == [0.3, np.inf if mode == "min" else -np.inf, 0.1, 0.2]
    assert best_trial(spec, [trials.get(2)]) is None


def test_the_table_has_a_row_for_each_trial(searched):
    spec, trials = searched
    rows = results_table(spec, trials)
    assert [row["trial"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[1] == {
        **{"trial": 2, "run": "b", "status": "finished", "val_loss": 0.1, "error": None},
        **{"lr": f"{trials[1].parameters['lr']:.4g}", "hidden": "64,32"},
        **{"test_acc": 0.9, "epochs": 0, "time": 0},
    }
    assert (rows[5]["run"], rows[5]["val_loss"]) == (None, None)


def test_only_what_varies_and_has_a_result_is_explored(searched):
    values, parameters = explored(*searched)
    np.testing.assert_array_equal(values, [0.3, 0.1, np.inf, 0.05, 0.2])
    assert parameters == {"lr": [trial.parameters["lr"] for trial in searched[1][:5]]}
