"""firstlight look, and the picture of firstlight data show."""

import pytest


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


def test_look_draws_into_the_runs_folder(cli, trained):
    folder, _ = trained
    code, out, err = cli("look", "--runs-dir", folder / "runs")
    assert (code, err) == (0, "")
    (plots,) = folder.glob("runs/*/*/plots")
    names = {"confusion_matrix", "mistakes", "filters", "saliency", "occlusion"}
    drawn = [path for path in plots.iterdir() if path.stem != "curves"]  # which the fit drew
    assert {path.stem for path in drawn} == names
    assert all(is_png(path) for path in drawn)
    assert sorted(out.splitlines()) == sorted(str(path.resolve()) for path in drawn)


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
    assert refused("look", "--runs-dir", tmp_path) == (
        f"firstlight look: no run in {tmp_path}; make one with: firstlight fit"
    )


def test_look_is_for_classifiers(cli, refused):
    fit = ("fit", "--model", "polynomial", "--data", "polynomial", "--trainer.max_epochs", 1)
    assert cli(*fit)[0] == 0
    assert "polynomial has no classes; look draws what classifiers do" in refused("look")


def test_without_images_there_is_the_confusion_matrix(cli, mine, tmp_path):
    assert (
        cli("fit", "--model", "mine:Net", "--data", "mine:blobs", "--trainer.max_epochs", 1)[0] == 0
    )
    code, out, err = cli("look", "--split", "val")
    assert (code, err) == (0, "")
    assert [line.rpartition("/")[2] for line in out.splitlines()] == ["confusion_matrix.png"]


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
    assert "--output: polynomial has no images to draw" in refused(
        "data", "show", "polynomial", "--output", "a.png"
    )
    code, _, err = cli("data", "show", "digits", "--augment", "afine")
    assert code == 1
    assert "no augmentation is called 'afine'; did you mean 'affine'?" in err
