"""Runs to report on, trained once."""

import pytest

import firstlight as fl
from firstlight.runs import RunFolder, list_runs
from firstlight.support import rng
from firstlight.tools.cli.main import main


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory):
    """Three seeds of one network on digits, and another network."""
    folder = tmp_path_factory.mktemp("report") / "runs"
    fit = ["fit", "--runs_dir", str(folder), "--trainer.max_epochs", "2"]
    fit += ["--trainer.limit_train_batches", "10", "--trainer.default_callbacks", "false"]
    fit += ["--callback", "sample_results"]
    fit += ["--callback", "model_checkpoint"]  # pictures at the end are tested elsewhere
    kinds = [["--model.hidden", "16", "--seed", seed] for seed in "012"]
    for words in (*kinds, ["--model.hidden", "8,8", "--callback", "throughput"]):
        assert main([*fit, *words]) == 0
    return folder


@pytest.fixture
def runs(runs_dir):
    return list_runs(runs_dir)


@pytest.fixture
def by_script(line, line_data, tmp_path):
    """A run that a script made, so that its model cannot be built again."""
    rng.seed_everything(0)
    trainer = fl.Trainer(max_epochs=3, runs_dir=tmp_path / "runs", name="script")
    trainer.fit(line(), line_data, line_data)
    return RunFolder(trainer.run.path)
