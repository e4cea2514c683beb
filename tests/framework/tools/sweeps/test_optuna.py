"""Sweeps by Optuna: suggestions, pruning, several processes on one journal."""

import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from firstlight.runs import list_runs
from firstlight.tools.sweeps import SweepSpec, Trials, importance
from firstlight.tools.sweeps.trials import Trial

optuna = pytest.importorskip("optuna")

SWEEP = """
method: tpe
trials: 6
jobs: 2
fit: {model: mlp, data: digits, trainer: {max_epochs: 3, default_callbacks: false}}
parameters:
  model.lr: {min: 1e-6, max: 1e-2, log: true}
  model.hidden: [[8], [32, 16]]
"""


@pytest.mark.slow
def test_a_sweep_by_optuna(tmp_path):
    (tmp_path / "s.yaml").write_text(SWEEP)
    command = [sys.executable, "-W", "error", "-m", "firstlight", "sweep", "s.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "runs" / "s"
    trials = Trials(folder).all()
    assert len(list_runs(tmp_path / "runs")) == len(trials) == 6
    assert {trial.status for trial in trials} <= {"finished", "pruned"}
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "optuna.journal"))
    study = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    assert len(study.trials) == 6
    for trial in trials:
        known = study.trials[trial.number - 1]
        assert known.user_attrs["run"] == trial.run.id
        assert trial.run.config["model"]["lr"] == pytest.approx(known.params["model.lr"])
        assert trial.run.config["model"]["hidden"] == list(trial.parameters["model.hidden"])
        state = {"finished": "COMPLETE", "pruned": "PRUNED"}[trial.status]
        assert known.state.name == state
        losses = trial.run.history["val_loss"]
        assert list(known.intermediate_values.values()) == losses
        if state == "COMPLETE":
            assert known.value == min(losses)
    assert study.best_value == min(t.value for t in trials)


@pytest.fixture
def trials(tmp_path):
    """Trials of a study that nobody trains."""
    parameters = {"x": {"min": -1.0, "max": 1.0}, "n": {"min": 1, "max": 9}, "c": ["a", [1, 2]]}
    spec = SweepSpec("s", parameters, method="tpe", trials=40, metric="val_loss")
    return Trials(tmp_path, spec)


@pytest.fixture
def end(monkeypatch):
    """End a trial with a result, as if its run said so."""
    results = {}
    monkeypatch.setattr(
        Trial, "status", property(lambda trial: results.get(trial.number, ["running"])[0])
    )
    monkeypatch.setattr(Trial, "value", property(lambda trial: results[trial.number][1]))

    def end(trials, number, value, status="finished"):
        results[number] = status, value
        trials._tell()

    return end


def test_suggestions_learn_from_results(trials, end):
    drawn = []
    for number in range(1, 41):
        parameters = trials.take().parameters
        drawn.append(parameters["x"])
        end(trials, number, (parameters["x"] - 0.5) ** 2)
    far = [abs(x - 0.5) for x in drawn]
    assert sum(far[20:]) / 20 < 0.45  # by chance alone it would be 0.625
    assert type(parameters["n"]) is int
    assert parameters["c"] in ("a", (1, 2))
    assert trials.take() is None
    shares = importance(trials)
    assert max(shares, key=shares.get) == "x"
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_the_same_seed_suggests_the_same(tmp_path, method):
    parameters = {"x": {"min": -1.0, "max": 1.0}, "c": ["a", [1, 2]]}
    drawn = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        spec = SweepSpec(name, parameters, method=method, trials=3, seed=seed)
        trials = Trials(tmp_path / name, spec)
        drawn.append([trials.take().parameters for _ in range(3)])
    assert drawn[0] == drawn[1]
    assert len({one["x"] for two in drawn[1:] for one in two}) == 6


def test_a_grid_is_every_combination_once(tmp_path):
    parameters = {"b": {"min": 0, "max": 1, "step": 0.5}, "a": [1, [2, 3]], "c": [True, None]}
    spec = SweepSpec("s", parameters, method="grid", seed=3)
    two = Trials(tmp_path, spec), Trials(tmp_path, spec)  # two processes, by turns
    taken = [two[number % 2].take().parameters for number in range(spec.trials)]
    expected = {(b, a, c) for b in (0.0, 0.5, 1.0) for a in (1, (2, 3)) for c in (True, None)}
    assert len(taken) == 12
    assert {(one["b"], one["a"], one["c"]) for one in taken} == expected
    assert two[0].take() is None


def test_failures_and_what_is_no_number_are_told(trials, end):
    for _ in range(4):
        trials.take()
    end(trials, 1, None)
    end(trials, 2, None, "failed")
    end(trials, 4, 0.5)
    trials._tell()
    states = [trial.state.name for trial in trials.study.trials]
    assert states == ["FAIL", "FAIL", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_is_told_as_the_worst_result(trials, end, bad):
    for value in (bad, 0.5, 0.7):
        end(trials, trials.take().number, value)
    assert [trial.value for trial in trials.study.trials] == [math.inf, 0.5, 0.7]
    assert trials.study.best_value == 0.5
    trials.take()  # it can continue from there


def test_a_trial_behind_the_others_is_pruned(trials, end, tmp_path):
    for number in range(1, 8):
        trials.take()
        assert not any(trials.report(number, 1 / e - 0.1 * number, e) for e in (1, 2, 3))
        end(trials, number, 0.1)
    trials.take()
    assert not trials.report(8, float("nan"), 1)  # too early to tell
    assert trials.report(8, 9.0, 2)
    again = Trials(tmp_path, trials.spec)  # after a restart: epoch 2 is known
    assert not again.report(8, 9.0, 2)
    assert again.report(8, 9.0, 3)


@pytest.mark.parametrize("pruner", ["hyperband", "none"])
def test_other_pruners(tmp_path, end, pruner):
    parameters = {"x": {"min": 0.0, "max": 1.0}}
    trials = Trials(tmp_path, SweepSpec("s", parameters, trials=99, pruner=pruner))
    pruned = 0
    for number in range(1, 13):
        trials.take()
        if any(trials.report(number, number, epoch) for epoch in range(1, 10)):
            pruned += 1
        end(trials, number, number)
    assert (pruned > 0) == (pruner == "hyperband")


def test_importance_finds_what_matters(tmp_path):
    rng = np.random.default_rng(0)
    parameters = {
        "lr": {"min": 1e-4, "max": 1e-1, "log": True},
        "idle": ["a", "b"],
        "width": [16, 64, 256],
        "same": [1],
    }
    trials = Trials(tmp_path, SweepSpec("s", parameters, trials=99))
    nothing = importance(trials)
    assert list(nothing) == ["lr", "idle", "width"]
    assert all(math.isnan(share) for share in nothing.values())
    trials.study.sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(60):
        trial = trials.study.ask()
        x = {name: one.suggest(trial, name) for name, one in trials.spec.space.items()}
        loss = abs(math.log10(x["lr"]) + 2.5) + 0.3 * (x["width"] == 16) + 0.05 * rng.normal()
        trials.study.tell(trial, loss if number else math.inf)  # one diverged
    shares = importance(trials)
    assert list(shares)[:2] == ["lr", "width"]
    assert shares["lr"] > 0.5
    assert shares["idle"] < 0.05
    assert sum(shares.values()) == pytest.approx(1)


def test_a_damaged_journal_is_named(trials, tmp_path):
    trials.take()
    journal = tmp_path / "optuna.journal"
    lines = journal.read_text().splitlines()
    for wrong in ("{", '{"op_code": 99}', "[]"):
        journal.write_text("\n".join([*lines[:3], wrong, *lines[3:]]) + "\n")
        with pytest.raises(ValueError, match=r"optuna\.journal: damaged \(.*remove the damaged"):
            Trials(tmp_path, trials.spec)


def test_a_journal_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "optuna.journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="is a link to"):
        Trials(tmp_path / "s", SweepSpec("s", {"x": [1]}, trials=1))
    assert not (tmp_path / "elsewhere").exists()


def test_a_sweep_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "0001.1.json").write_text("{}")
    with pytest.raises(ValueError, match="a sweep of an earlier version of firstlight, which this"):
        Trials(tmp_path, SweepSpec("s", {"x": [1]}, trials=1))
    assert not (tmp_path / "optuna.journal").exists()


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_the_dashboard_shows_every_sweep(tmp_path, method):
    dashboard = pytest.importorskip("optuna_dashboard")
    spec = SweepSpec("s", {"x": [0.1, 0.2], "layers": [[8], [16, 8]]}, method=method, trials=3)
    trials = Trials(tmp_path, spec)
    for number in [trials.take().number for _ in range(3)]:
        trials.report(number, math.nan if number == 2 else 0.5, 1)
        trials.note(number, run=f"run-{number}")
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.journal"))
    application = dashboard.wsgi(optuna.storages.JournalStorage(backend))
    request = {"wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    request |= {"REQUEST_METHOD": "GET", "SERVER_NAME": "here", "SERVER_PORT": "80"}
    answers = []
    body = application(
        {**request, "PATH_INFO": "/api/studies/0"}, lambda status, *_: answers.append(status)
    )
    shown = json.loads(b"".join(body))["trials"]
    assert answers == ["200 OK"]
    assert [trial["intermediate_values"][0]["value"] for trial in shown] == [0.5, "inf", 0.5]
    runs = [{one["key"]: one["value"] for one in trial["user_attrs"]}["run"] for trial in shown]
    assert runs == ["run-1", "run-2", "run-3"]
    names = {parameter["name"] for trial in shown for parameter in trial["params"]}
    assert names == {"x", "layers"}
