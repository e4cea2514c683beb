"""``firstlight baseline``: beside a run's network, and on data alone."""

import json
import shutil
import sys

import pytest

pytest.importorskip("sklearn")

from firstlight.runs import RunFolder
from firstlight.runs.baseline_results import BaselineResults
from firstlight.runs.find import latest_run
from firstlight.tools.significance import Significance, groups


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A copy of the folder in which a training has run, which the command may change."""
    shutil.copytree(trained[0], tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return latest_run("runs").resolve()


@pytest.mark.slow
def test_methods_are_shown_beside_the_network(cli, here):
    code, out, err = cli("baseline")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"mlp-digits/{here.name}, best weights"
    assert lines[1] == "digits test data, 359 samples; fitted to 1,258 training samples"
    assert lines[2].split() == ["test", "accuracy", "95", "%", "interval", "seconds", "to", "fit"]
    labels = [line[:26].strip() for line in lines[3:]]
    assert labels[:3] == ["majority class", "k-NN, k = 5", "logistic regression"]
    assert labels[3:] == ["random forest, 100 trees", "MLP, this run"]
    assert sum(" * " in line for line in lines) == 1
    tested = json.loads((here / "summary.json").read_text())["metrics"]["test_acc"]
    assert f"{tested:.4f}" in lines[-1]
    kept = BaselineResults.read(here)
    assert [row.name for row in kept.rows] == ["majority", "knn", "logistic", "forest", "network"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default:.*is left out")
def test_a_run_that_cannot_be_written_shows_its_table(cli, here):
    (here / "baselines.json").mkdir()
    code, out, err = cli("baseline")
    assert code == 0
    assert "random forest" in out
    assert "baselines.json cannot be written" in err


def test_results_are_compared_with_those_of_runs(cli, here):
    cli("baseline")
    _, out, _ = cli("runs", "show")
    assert "test_acc_forest" in out
    _, out, _ = cli("runs", "list", "--where", "test_acc_majority < test_acc")
    assert here.name in out


def test_the_network_s_interval_is_that_of_runs_compare(cli, here):
    cli("baseline")
    row = BaselineResults.read(here).rows[-1]
    run = RunFolder(here)
    assert Significance(groups([run])).interval("test_acc", [run]) == (row.low, row.high)


def test_json(cli, here):
    code, out, _ = cli("baseline", "--json", "--split", "val")
    found = json.loads(out)
    assert code == 0
    assert (found["split"], found["metric"], found["samples"]) == ("val", "acc", 180)
    assert found["rows"][0]["name"] == "majority"


@pytest.mark.filterwarnings("ignore:.*are split otherwise")
@pytest.mark.parametrize("words", [["--data.seed", 1], ["--checkpoint", "last"]])
def test_only_results_on_the_run_s_own_data_and_best_weights_are_kept(cli, here, words):
    assert cli("baseline", *words)[0] == 0
    assert BaselineResults.read(here) is None


def test_data_alone(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("baseline", "--data", "polynomial", "--data.n_train", 30)
    assert (code, err) == (0, "")
    assert out.startswith("polynomial test data, 100 samples; fitted to 30 training samples\n")
    assert "this run" not in out
    assert "mean of the target" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("default:.*is left out")
def test_a_network_without_a_score_for_each_class_is_left_out(cli, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.py").write_text(
        "from mine import Net, np\n\n"
        "class Pairs(Net):\n"
        "    def predict_step(self, batch):\n"
        "        return np.stack([self(batch[0])] * 2, axis=1)\n"
    )
    words = ["--model", "pairs:Pairs", "--data", "mine:blobs", "--trainer.max_epochs", 1]
    assert cli("fit", *words)[0] == 0
    code, out, err = cli("baseline", "--split", "val", "--trust")
    assert code == 0
    assert "Pairs is left out: its predictions are no scores for each class of each sample" in err
    assert "(20, 2, 2)" in err
    assert "this run" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "mine:blobs"], "data blobs has no test split; choose --split train, val"),
        (["--data", "mpl"], "no dataset is called 'mpl'"),
        (["--data", "digits", "--data.sead", 1], "did you mean --data.seed?"),
        (
            ["--data", "arithmetic"],
            "on arithmetic (addition): expected data with a label",
        ),
        (["nowhere"], "no run nowhere in runs"),
        ([], "no run in runs; make one with: firstlight fit"),
    ],
)
def test_what_is_refused(refused, mine, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused("baseline", *words)


def test_without_scikit_learn(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    code, _, err = cli("baseline", "--data", "digits")
    assert code == 1
    assert "firstlight baseline needs the package sklearn; install it with: pip install" in err
