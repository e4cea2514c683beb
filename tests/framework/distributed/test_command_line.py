"""The command line on several ranks: it speaks once, and fails as a whole."""

import sys
from pathlib import Path

import pytest

FIT = ["fit", "--trainer.max_epochs", "2", "--runs-dir", "runs"]


def started(mpiexec, n, *words):
    command = Path(sys.executable).parent / "firstlight"
    return mpiexec(n, str(command), *words, python=False).result()


@pytest.mark.slow
def test_a_training_and_its_test_are_shown_once(mpiexec):
    code, out, err = started(mpiexec, 2, *FIT)
    assert code == 0, err
    assert out.count("mlp on digits") == 1
    assert out.count("test accuracy") == 1
    assert out.count("finished after 2 epochs") == 1
    assert len(list(Path("runs/mlp-digits").iterdir())) == 1
    code, out, err = started(mpiexec, 2, "test", "--runs-dir", "runs")
    assert code == 0, err
    assert out.count("test accuracy") == 1


def test_wrong_use_ends_all_ranks(mpiexec):
    code, _, err = started(mpiexec, 2, "fit", "--model", "mpl")
    assert code == 2
    assert "did you mean 'mlp'?" in err
