"""Runs on a user's own table, from fit to predict."""

import json

import numpy as np
import pytest
from fruit_tables import accuracy, predicted, table

from firstlight.datasets import load
from firstlight.runs.find import latest_run


@pytest.fixture
def fruit(cli, tmp_path):
    """A run on 150 rows, all defaults but the epochs; returns the table."""
    path = table(tmp_path / "fruit.csv")
    words = ("--model.lr", 0.01, "--trainer.max_epochs", 10)
    code, out, err = cli("fit", "--data", path, *words)
    assert (code, err) == (0, "")
    return path


@pytest.mark.slow
def test_splits_smaller_than_a_batch(cli, fruit):
    for split, samples in (("test", 15), ("val", 15), ("train", 120)):
        code, out, err = cli("predict", "--split", split)
        assert (code, err) == (0, "")
        assert len(predicted(out)) == samples
    for command in ("look", "test", "validate"):
        code, _, err = cli(command)
        assert (code, err) == (0, "")


def test_fit_says_what_the_target_was_taken_for(cli, tmp_path):
    path = table(tmp_path / "fruit.csv")
    _, out, _ = cli("fit", "--data", path, "--trainer.max_epochs", 1)
    assert out.splitlines()[1] == "target kind: 3 classes (apple, pear, plum)"


# --- other data, prepared as the run's own were --------------------------------------------------


def test_a_run_keeps_what_its_data_go_through(cli, fruit, tmp_path):
    folder = latest_run(tmp_path / "runs")
    kept = json.loads((folder / "preprocessing.json").read_text())
    assert kept["target"] == {
        "kind": "classes",
        "column": "kind",
        "classes": ["apple", "pear", "plum"],
    }
    assert (kept["inputs"]["columns"], kept["inputs"]["shape"]) == (["width", "height"], [2])
    train = load(fruit).train
    np.testing.assert_array_equal(kept["inputs"]["scale"]["mean"], train.transform.mean)


@pytest.mark.parametrize("names", [("pear", "plum"), ("plum",), ("plum", "apple", "pear")])
def test_classes_and_scale_are_the_runs(cli, fruit, tmp_path, names):
    table(tmp_path / "all.csv", rows=300, seed=1)
    rows = (tmp_path / "all.csv").read_text().splitlines()
    other = [row for row in rows[1:] if row.endswith(names)]
    (tmp_path / "other.csv").write_text("\n".join([rows[0], *other]) + "\n")
    code, out, err = cli("test", "--data", "other.csv")
    assert (code, err) == (0, "")
    assert f"other test data, {len(other)} samples" in out  # all of them: it is not split
    assert accuracy(out) > 0.95
    code, out, err = cli("predict", "--data", "other.csv")
    assert (code, err) == (0, "")
    found = predicted(out)
    true = [row.rpartition(",")[2] for row in other]
    assert np.mean([row["class"] == name for row, name in zip(found, true, strict=True)]) > 0.95
    code, out, _ = cli("test", "--data", "other.csv", "--data.test_size", 0.5)
    assert f" {round(len(other) / 2)} samples" in out


@pytest.mark.filterwarnings("default")
def test_columns_are_found_by_name(cli, fruit, tmp_path):
    rows = [row.split(",") for row in table(tmp_path / "o.csv", seed=2).read_text().split()]
    turned = [f"{kind},{height},{width}" for width, height, kind in rows]
    (tmp_path / "turned.csv").write_text("\n".join(turned) + "\n")
    code, out, err = cli("test", "--data", "turned.csv")
    assert (code, err) == (0, "")
    assert accuracy(out) > 0.95
    more = [f"{i},{row}" for i, row in enumerate(turned)]
    (tmp_path / "more.csv").write_text("\n".join(["id," + turned[0], *more[1:]]) + "\n")
    code, out, err = cli("test", "--data", "more.csv")
    assert "more.csv: the run was not trained on column id; it is left out" in err
    assert (code, accuracy(out) > 0.95) == (0, True)


def test_a_table_without_its_target_is_predicted_and_not_tested(cli, refused, fruit, tmp_path):
    rows = [row.rpartition(",")[0] for row in fruit.read_text().split()]
    (tmp_path / "new.csv").write_text("\n".join(rows) + "\n")
    code, out, err = cli("predict", "--data", "new.csv")
    assert (code, err) == (0, "")
    assert len(predicted(out)) == 150
    assert "target" not in out
    assert "new has no targets to compare with; use firstlight predict" in refused(
        "test", "--data", "new.csv"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "width,height,kind\n1,2,kiwi\n3,4,pear\n",
            "unknown class kiwi; the network was trained on apple",
        ),
        ("width,depth,kind\n1,2,pear\n3,4,plum\n", "there is no column height; the run was traine"),
        ("1,2,pear\n3,4,pear\n", "there is no column width, height; the run was trained on width"),
    ],
)
def test_what_a_run_does_not_know_is_named(cli, fruit, tmp_path, text, message):
    (tmp_path / "other.csv").write_text(text)
    code, _, err = cli("test", "--data", "other.csv")
    assert code == 1
    assert "other" in err
    assert message in err


def test_old_runs_are_prepared_by_their_own_data(cli, refused, fruit, tmp_path):
    (latest_run(tmp_path / "runs") / "preprocessing.json").unlink()
    table(tmp_path / "other.csv", names=("apple", "pear", "plum"), seed=1)
    rows = (tmp_path / "other.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join(r for r in rows if "apple" not in r) + "\n")
    assert accuracy(cli("test")[1]) > 0.9
    assert accuracy(cli("test", "--data", "other.csv")[1]) > 0.95
    fruit.unlink()
    message = refused("test", "--data", "other.csv")
    assert "keeps no preprocessing.json, from which" in message
    assert "its own data cannot be loaded: csv: there is no file" in message


def test_a_damaged_file_is_named(cli, fruit, tmp_path):
    path = latest_run(tmp_path / "runs") / "preprocessing.json"
    kept = path.read_text()
    odd = [kept.replace('"std": [', '"std": [1.0, '), kept.replace('"high": 1.0', '"high": "NaN"')]
    for damaged in ("", "[]", "{}", '{"inputs": {}, "target": {"kind": "?"}}', *odd):
        assert damaged != kept
        path.write_text(damaged)
        code, _, err = cli("test")
        assert code == 1
        assert "preprocessing.json: not the preprocessing of a run" in err


def test_a_regression_stays_one(cli, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = np.round(20 * x[:, 0])
    for name, values in (("own", y + 0.5), ("other", y)):
        rows = [f"{a},{b},{t}" for (a, b), t in zip(x.tolist(), values.tolist(), strict=True)]
        (tmp_path / f"{name}.csv").write_text("a,b,price\n" + "\n".join(rows).replace(".0\n", "\n"))
    code, out, err = cli("fit", "--data", "own.csv", "--trainer.max_epochs", 1)
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "target price: regression, 1 value a sample"
    code, out, err = cli("predict", "--data", "other.csv")
    assert (code, err) == (0, "")
    assert float(predicted(out)[0]["target"]) == y[0]


def test_other_arrays_and_data_sets(cli, mine, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    pixels = (rng.integers(0, 100, (120, 6, 6)) + 50 * y[:, None, None]).astype("uint8")
    np.savez(tmp_path / "own.npz", x=pixels, y=np.array(["a", "b", "c"])[y])
    words = ("--data", "own.npz", "--model.lr", 0.01, "--trainer.max_epochs", 30)
    assert cli("fit", *words)[0] == 0
    np.savez(tmp_path / "other.npz", x=pixels[y > 0], y=np.array(["a", "b", "c"])[y[y > 0]])
    code, out, err = cli("test", "--data", "other.npz")
    assert (code, err) == (0, "")
    assert accuracy(out) > 0.9
    np.savez(tmp_path / "floats.npz", x=pixels / 255, y=y)
    code, _, err = cli("test", "--data", "floats.npz")
    assert code == 1
    assert "expected samples of shape (6, 6, 1), as the run was trained on, got (6, 6)" in err
    np.savez(tmp_path / "floats.npz", x=pixels[..., None] / 255, y=y)
    code, _, err = cli("test", "--data", "floats.npz")
    assert code == 1
    assert "expected x as uint8 (0 ... 255), as the run was trained on, got float64" in err


def test_data_sets_that_know_nothing_of_runs_are_renumbered(cli, mine):
    words = ("--model", "mine:Net", "--data", "mine:blobs", "--data.unused", 1)
    assert cli("fit", *words, "--trainer.max_epochs", 1)[0] == 0
    code, out, err = cli("validate", "--data.unused", 0)
    assert (code, err) == (0, "")
    code, _, err = cli("validate", "--data", "mine:named")
    assert code == 1
    assert "named: unknown class z; the network was trained on a, b, c" in err


def test_a_training_is_not_resumed_on_other_preprocessing(cli, fruit, tmp_path):
    words = ("fit", "--data", fruit, "--model.lr", 0.01, "--trainer.max_epochs", 12)
    code, _, err = cli(*words, "--resume", "last", "--data.seed", 1)
    assert code == 1
    assert "the data are not prepared as the run's were (inputs scale differ); load them as" in err
    like = latest_run(tmp_path / "runs")
    code, _, err = cli(*words, "--resume", "last")
    assert (code, err) == (0, "")
    code, _, err = cli(*words[:-1], 14, "--resume", "last", "--data.seed", 1, "--data.like", like)
    assert (code, err) == (0, "")
