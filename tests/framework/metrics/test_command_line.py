"""``--trainer.metrics`` of fit, test and validate."""

import pytest

from firstlight.runs import find_run
from firstlight.tools.cli.main import main

FIT = ("fit", "--data", "digits", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = main(list(words))
        return code, capsys.readouterr()

    return call


def test_fit_logs_them_and_test_repeats_them(run):
    code, _ = run(*FIT, "--trainer.metrics", "f1,auc")
    assert code == 0
    found = find_run("latest", "runs").metrics
    code, told = run("test")
    assert code == 0
    assert f"{found['test_f1']:.4f}" in told.out
    assert f"{found['test_auc']:.4f}" in told.out
    _, told = run("validate", "--trainer.metrics", "top2,mcc")
    assert "top2" in told.out
    assert "mcc" in told.out
    assert "f1" not in told.out


def test_an_unknown_one_is_a_usage_error(run):
    code, told = run(*FIT, "--trainer.metrics", "f1,acuracy")
    assert code == 2
    assert "no metric is called 'acuracy'; did you mean 'accuracy'?" in told.err
    code, told = run(*FIT, "--trainer.metrics", "os:system")
    assert code == 2
    assert "pass another as an object, or register its name" in told.err
