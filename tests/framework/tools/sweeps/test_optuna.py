"""Sweeps by Optuna: suggestions, pruning, several processes on one journal."""

import math
import subprocess
import sys

import pytest

from firstlight.runs import list_runs
from firstlight.tools.sweeps import SweepSpec, Trials

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
        known = study.trials[trial.told["optuna"]]
        assert trial.run.config["model"]["lr"] == pytest.approx(known.params["model.lr"])
        assert trial.run.config["model"]["hidden"] == trial.parameters["model.hidden"]
        state = {"finished": "COMPLETE", "pruned": "PRUNED"}[trial.status]
        assert known.state.name == state
        losses = trial.run.history["val_loss"]
        assert list(known.intermediate_values.values()) == losses
        if state == "COMPLETE":
            assert known.value == min(losses)
    assert study.best_value == min(t.value("val_loss", "min") for t in trials)


@pytest.fixture
def study(tmp_path):
    """A sampler of a study, and a spec with which to make others."""
    from firstlight.tools.sweeps.optuna_sampler import OptunaSampler

    parameters = {"x": {"min": -1.0, "max": 1.0}, "n": {"min": 1, "max": 9}, "c": ["a", [1, 2]]}
    spec = SweepSpec("s", parameters, method="tpe", trials=40, metric="val_loss")
    return OptunaSampler(spec, tmp_path), spec


class Over:
    """A trial that is over."""

    status = "finished"

    def __init__(self, number, value, status="finished"):
        self.told, self.status, self._value = {"optuna": number}, status, value

    def value(self, metric, mode):
        return self._value


def test_suggestions_learn_from_results(study):
    sampler, _ = study
    drawn = []
    for number in range(1, 41):
        parameters, facts = sampler.ask(number)
        drawn.append(parameters["x"])
        sampler.tell([Over(facts["optuna"], (parameters["x"] - 0.5) ** 2)])
    far = [abs(x - 0.5) for x in drawn]
    assert sum(far[20:]) / 20 < 0.45  # by chance alone it would be 0.625
    assert type(parameters["n"]) is int
    assert parameters["c"] in ("a", [1, 2])


def test_the_same_seed_suggests_the_same(study, tmp_path):
    from firstlight.tools.sweeps.optuna_sampler import OptunaSampler

    sampler, spec = study
    (tmp_path / "other").mkdir()
    other = OptunaSampler(spec, tmp_path / "other")
    assert sampler.ask(1)[0] == other.ask(1)[0]
    assert sampler.ask(2)[0] != sampler.ask(3)[0]


def test_failures_and_what_is_no_number_are_told_once(study):
    sampler, _ = study
    numbers = [sampler.ask(n)[1]["optuna"] for n in (1, 2, 3, 4)]
    over = [
        Over(numbers[0], None),
        Over(numbers[1], None, "failed"),
        Over(numbers[2], 0.5, "running"),
        Over(numbers[3], 0.5),
    ]
    sampler.tell(over)
    sampler.tell(over)
    states = [trial.state.name for trial in sampler._study.trials]
    assert states == ["FAIL", "FAIL", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_is_told_as_the_worst_result(study, bad):
    sampler, _ = study
    sampler.tell([Over(sampler.ask(n)[1]["optuna"], v) for n, v in ((1, bad), (2, 0.5), (3, 0.7))])
    assert [trial.value for trial in sampler._study.trials] == [math.inf, 0.5, 0.7]
    assert sampler._study.best_value == 0.5
    sampler.ask(4)  # it can go on from there


def test_a_trial_behind_the_others_is_pruned(study, tmp_path):
    from firstlight.tools.sweeps.optuna_sampler import Pruner

    sampler, spec = study
    for number in range(1, 8):
        _, facts = sampler.ask(number)
        pruner = Pruner(spec, tmp_path, facts["optuna"])
        assert not any(pruner.report(1 / epoch - 0.1 * number, epoch) for epoch in (1, 2, 3))
        sampler.tell([Over(facts["optuna"], 0.1)])
    _, facts = sampler.ask(8)
    bad = Pruner(spec, tmp_path, facts["optuna"])
    assert not bad.report(float("nan"), 1)  # too early to tell
    assert bad.report(9.0, 2)
    again = Pruner(spec, tmp_path, facts["optuna"])  # after a restart: epoch 2 is known
    assert not again.report(9.0, 2)
    assert again.report(9.0, 3)
