"""``validate``, ``test`` and ``predict`` on runs of the past."""

import json
import shutil

import numpy as np
import pytest

import firstlight as fl
from firstlight.runs.find import latest_run
from firstlight.tools.cli.commands import predict


@pytest.fixture
def here(trained, monkeypatch):
    """Stand in the folder in which a training has run."""
    folder, _ = trained
    monkeypatch.chdir(folder)
    return latest_run(folder / "runs").resolve()


def test_a_run_is_found_by_path_name_id_or_as_the_latest(cli, here):
    said = {
        cli("test", *words)
        for words in ([], [here], ["mlp-digits"], [f"mlp-digits/{here.name}"], ["runs/latest"])
    }
    ((code, out, err),) = said
    assert (code, err) == (0, "")
    assert "digits test data, 359 samples" in out


def test_validate_looks_at_validation_data(cli, here):
    code, out, _ = cli("validate")
    metrics = json.loads((here / "summary.json").read_text())["best"]
    assert code == 0
    assert "digits validation data, 180 samples" in out
    assert f"val accuracy  {metrics['val_acc']['value']:.4f}" in out


def test_a_checkpoint_can_be_chosen(cli, here):
    file = here / "checkpoints" / "last.safetensors"
    assert cli("test", "--checkpoint", "last") == cli("test", "--checkpoint", file)
    code, _, err = cli("test", "--checkpoint", "nowhere.safetensors")
    assert code == 1
    assert "nowhere.safetensors' does not exist" in err


@pytest.mark.filterwarnings("default:.*are split otherwise")
def test_other_data_can_be_evaluated(cli, here):
    code, out, _ = cli("test", "--data.test_size", 0.5, "--data.val_size", 0.1)
    assert code == 0
    assert " 898 samples" in out
    code, _, err = cli("test", "--data", "polynomial")
    assert code == 1
    assert "polynomial: expected samples of shape (8, 8, 1), as the run was trained on" in err


def test_limits_and_device_are_settable_and_nothing_else(cli, refused, here):
    code, out, _ = cli("test", "--trainer.limit_test_batches", 2, "--trainer.device", "auto")
    assert code == 0
    message = refused("test", "--trainer.limit_tests", 2)
    assert "did you mean --trainer.limit_test_batches?" in message
    assert "unknown argument --callback" in refused("test", "--callback", "early_stopping")
    assert "unexpected 'b'" in refused("test", here, "b")
    assert "argument --checkpoint: expected one argument" in refused("test", "--checkpoint")


def test_a_run_that_is_not_there(refused, tmp_path, here, monkeypatch):
    message = refused("test", "nope")
    assert "no run nope in runs; the newest are: mlp-digits" in message
    monkeypatch.chdir(tmp_path)
    assert "no run in runs; make one with: firstlight fit" in refused("test")
    assert "no run in elsewhere" in refused("test", "--runs-dir", "elsewhere")


def test_without_a_note_of_it_the_newest_run_is_the_latest(cli, tmp_path):
    for name, epochs in (("b", 1), ("a", 2)):
        cli("fit", "--trainer.max_epochs", epochs, "--name", name, "--model.hidden", "4")
    newest = latest_run(tmp_path / "runs")
    (tmp_path / "runs" / "latest").unlink()
    assert cli("test")[1].startswith(f"a/{newest.name}, best weights")


def test_the_run_of_a_script_says_so(refused, line, line_data):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False)
    trainer.fit(line(), line_data)
    assert "cannot be made again: no script called fit whose code" in refused("test")
    config = json.loads((trainer.run.path / "config.json").read_text())
    shutil.rmtree(trainer.run.path / "source")  # as earlier versions left it
    (trainer.run.path / "config.json").write_text(json.dumps(config | {"model": "Line()"}))
    assert "was made by a script and keeps no record of its model" in refused("test")


def test_predictions_as_arrays(cli, here):
    code, out, _ = cli("predict", "--output", "p.npz", "--split", "val")
    assert code == 0
    assert out == "180 predictions (digits val data): p.npz\n"
    with np.load("p.npz") as file:
        assert file["probabilities"].shape == (180, 10)
        np.testing.assert_allclose(file["probabilities"].sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(file["probabilities"].argmax(axis=1), file["prediction"])
        np.testing.assert_array_equal(file["probabilities"].max(axis=1), file["probability"])
        assert file["class"][0] == str(file["prediction"][0])


def test_predictions_keep_the_order_of_the_training_data(cli, here):
    code, out, err = cli("predict", "--split", "train")
    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head == "index,target,prediction,class,probability"
    targets = [int(row.split(",")[1]) for row in rows]
    x, y = fl.datasets.load("digits").train[np.arange(1258)]
    assert targets == y.tolist()
    assert (
        np.mean([int(row.split(",")[2]) == t for row, t in zip(rows, targets, strict=True)]) > 0.5
    )


def test_scores_become_probabilities():
    scores = np.log([[1.0, 3.0], [1.0, 1.0]]) + 1000
    np.testing.assert_allclose(predict.as_probabilities(scores), [[0.25, 0.75], [0.5, 0.5]])
    probabilities = np.array([[0.25, 0.75], [1.0, 0.0]])
    assert predict.as_probabilities(probabilities) is probabilities


def test_the_model_keeps_the_sizes_it_was_trained_with(cli, mine, tmp_path):
    fit = ("fit", "--model", "mine:Net", "--data", "mine:blobs", "--trainer.max_epochs", 1)
    assert cli(*fit)[0] == 0
    config = json.loads((latest_run(tmp_path / "runs") / "config.json").read_text())
    assert config["facts"]["num_classes"] == 2
    code, _, err = cli("validate", "--data.unused", 1)  # one more class, which never occurs
    assert (code, err) == (0, "")


def test_data_are_made_again_with_the_seed_of_the_run(cli, mine, tmp_path):
    words = ("--data", "mine:blobs", "--data.noise", 1, "--trainer.max_epochs", 1, "--seed", 3)
    assert cli("fit", "--model", "mine:Net", *words)[0] == 0
    summary = json.loads((latest_run(tmp_path / "runs") / "summary.json").read_text())
    assert f"val loss      {summary['metrics']['val_loss']:.4f}" in cli("validate")[1]


def test_predictions_of_a_regression_are_values(cli):
    fit = ("fit", "--model", "polynomial", "--trainer.max_epochs", 3)
    assert cli(*fit)[0] == 0
    code, out, _ = cli("predict")
    assert code == 0
    assert out.splitlines()[0] == "index,target,prediction"
    assert len(out.splitlines()) == 101


def test_predict_refuses_what_it_cannot_write(cli, refused, here):
    assert "ends in .csv or .npz, got p.txt" in refused("predict", "--output", "p.txt")
    assert "argument --split: invalid choice: 'all' (choose from" in refused(
        "predict", "--split", "all"
    )
    assert "argument --output: expected one argument" in refused("predict", "--output")
    code, _, err = cli("predict", "--output", "no/such/folder/p.csv")
    assert code == 1
    assert "No such file or directory" in err


def test_predict_needs_the_split(cli, refused, mine):
    cli("fit", "--model", "mine:Net", "--data", "mine:blobs", "--trainer.max_epochs", 1)
    message = refused("predict")
    assert "data blobs has no test split; choose --split train, val" in message
    assert "blobs has no test data, only train, val" in refused("test")
