"""firstlight look, and the picture of firstlight data show."""

from functools import partial

import pytest


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_look_draws_into_the_runs_folder(cli, trained):
    folder, _ = trained
    code, out, err = cli("look", "--runs-dir", folder / "runs")
    assert (code, err) == (0, "")
    (plots,) = folder.glob("runs/*/*/plots")
    names = {"confusion_matrix", "mistakes", "filters", "saliency", "occlusion"}
    names |= {"calibration", "roc", "precision_recall", "embedding"}
    drawn = [path for path in plots.iterdir() if path.stem != "curves"]  # which the fit drew
    assert {path.stem for path in drawn} == names
    assert all(is_png(path) for path in drawn)
    assert sorted(out.splitlines()) == sorted(str(path.resolve()) for path in drawn)


@pytest.mark.slow
@pytest.mark.filterwarnings("default:.*are split otherwise")
def test_look_at_other_samples_in_another_folder(cli, refused, trained, tmp_path):
    folder, _ = trained
    words = "look", "--runs-dir", folder / "runs", "--split", "val"
    code, out, _ = cli(*words, "--output", tmp_path / "here/pictures")
    assert code == 0
    assert is_png(tmp_path / "here/pictures/confusion_matrix.png")
    code, _, err = cli(*words[:3], "--data.test_size", 0)
    assert code == 2
    assert "no test split; choose --split train, val" in err
    told = refused(*words[:3], "--layer", "head")
    assert "--layer: no layer head; there are body, body.0, " in told
    assert "loss" not in told
    assert refused("look", "--runs-dir", tmp_path) == (
        f"firstlight look: no run in {tmp_path}; make one with: firstlight fit"
    )


def test_look_draws_the_predictions_of_a_regression(cli):
    fit = ("fit", "--model", "polynomial", "--data", "polynomial", "--trainer.max_epochs", 1)
    assert cli(*fit)[0] == 0
    code, out, err = cli("look", "--csv")
    assert (code, err) == (0, "")
    names = [line.rpartition("/")[2] for line in out.splitlines()]
    assert names == ["predictions.png", "predictions.csv"]


def test_look_draws_the_attention_of_a_language_model(cli, tmp_path):
    (tmp_path / "words.txt").write_text("to be or not to be " * 50)
    model = ("--model", "gpt", "--model.n_layer", 1, "--model.n_head", 2, "--model.n_embd", 8)
    data = ("--data", "words.txt", "--data.block_size", 8)
    assert cli("fit", *model, *data, "--trainer.max_steps", 1)[0] == 0
    code, out, err = cli("look")
    assert (code, err) == (0, "")
    (path,) = out.splitlines()
    assert is_png(tmp_path / path)
    assert path.rpartition("/")[2].startswith("attention_")


@pytest.mark.slow
def test_look_writes_numbers_and_the_landscape(cli, refused, trained, tmp_path, monkeypatch):
    from firstlight.tools import figures

    folder, _ = trained
    few = partial(figures.loss_landscape, steps=3)
    monkeypatch.setattr(figures, "loss_landscape", few)
    words = "look", "--runs-dir", folder / "runs", "--output", tmp_path
    code, out, err = cli(*words, "--landscape", "--csv", "--layer", "body.1")
    assert (code, err) == (0, "")
    assert is_png(tmp_path / "landscape.png")
    lines = (tmp_path / "landscape.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("direction 1,direction 2,loss", 10)
    assert len((tmp_path / "confusion_matrix.csv").read_text().splitlines()) == 101
    assert (tmp_path / "saliency.csv").read_text().startswith("picture,row,column,|gradient| / its")


@pytest.mark.slow
def test_without_images_there_are_the_figures_of_classes(cli, mine, tmp_path):
    assert (
        cli("fit", "--model", "mine:Net", "--data", "mine:blobs", "--trainer.max_epochs", 1)[0] == 0
    )
    code, out, err = cli("look", "--split", "val")
    assert (code, err) == (0, "")
    names = ["confusion_matrix", "calibration", "roc", "precision_recall", "embedding"]
    drawn = [line.rpartition("/")[2] for line in out.splitlines()]
    assert drawn == [f"{name}.png" for name in names]


@pytest.mark.parametrize("augment", [(), ("--augment", "affine,elastic"), ("--augment", "mixup")])
def test_data_show_draws_training_images(cli, augment, tmp_path):
    code, out, err = cli("data", "show", "digits", *augment, "--output", "grid.png")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "picture: grid.png"
    assert is_png(tmp_path / "grid.png")


def test_data_show_refuses_what_cannot_be_drawn(cli, refused):
    assert "ends in .png, .pdf or .svg, got a.jpg" in refused(
        "data", "show", "digits", "--output", "a.jpg"
    )
    assert "--output: arithmetic (addition) has no images" in refused(
        "data", "show", "arithmetic", "--output", "a.png"
    )
    code, _, err = cli("data", "show", "digits", "--augment", "afine")
    assert code == 1
    assert "no augmentation is called 'afine'; did you mean 'affine'?" in err


DIVERGED = """
import numpy as np
import firstlight as fl

class Diverged(fl.models.MLP):
    def forward(self, x):
        y = super().forward(x)
        return y if self.training else y * np.nan
"""


@pytest.mark.filterwarnings("default")
def test_look_at_a_model_that_answers_with_nan_says_so(cli, tmp_path):
    (tmp_path / "diverged.py").write_text(DIVERGED)
    fit = ("fit", "--model", "diverged.py:Diverged", "--data", "digits", "--trainer.max_steps", 1)
    assert cli(*fit)[0] == 0
    code, out, err = cli("look")
    assert (code, out) == (2, "")
    assert "scores of 359 of 359 samples are NaN or infinite; if the training has diverged" in err
    assert "nothing to draw of Diverged on digits; look draws " in err
