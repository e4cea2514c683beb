"""Other files for a run's network: its own file's arguments do not leak into them."""

import json

import numpy as np
import pytest
from fruit_tables import accuracy, predicted, table

from firstlight.runs.find import latest_run

QUICK = ("--model.lr", 0.01, "--trainer.max_epochs", 10)


def arrays(rows, seed, shift=0):
    """Return inputs and labels that a network tells apart, all labels wrong if shifted."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, rows)
    x = (rng.normal(0, 0.3, (rows, 4)) + 3 * np.eye(4)[y]).astype("float32")
    return x, (y + shift) % 3


@pytest.fixture
def files(tmp_path):
    """Write own.npz and test.npz, and wrong.npz, in which no label is right."""
    for name, rows, shift in (("own", 120, 0), ("test", 40, 0), ("wrong", 50, 1)):
        x, y = arrays(rows, len(name), shift)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
        np.save(tmp_path / f"{name}_x.npy", x)
        np.save(tmp_path / f"{name}_y.npy", y)


@pytest.mark.parametrize("naming", ["--data", "--data.path"])
def test_the_runs_test_file_does_not_stand_for_another(cli, files, naming):
    assert cli("fit", "--data", "own.npz", "--data.test_path", "test.npz", *QUICK)[0] == 0
    assert accuracy(cli("test")[1]) > 0.9
    code, out, err = cli("test", naming, "wrong.npz")
    assert (code, err) == (0, "")
    assert "wrong test data, 50 samples" in out
    assert accuracy(out) < 0.1
    code, out, err = cli("test", naming, "wrong.npz", "--data.test_path", "test.npz")
    assert (code, err) == (0, "")
    assert accuracy(out) > 0.9


def test_the_runs_targets_do_not_stand_for_anothers(cli, files):
    assert cli("fit", "--data", "own_x.npy", "--data.y_path", "own_y.npy", *QUICK)[0] == 0
    code, out, err = cli("test", "--data", "wrong_x.npy", "--data.y_path", "wrong_y.npy")
    assert (code, err) == (0, "")
    assert accuracy(out) < 0.1
    code, out, err = cli("predict", "--data", "wrong_x.npy")
    assert (code, err) == (0, "")
    assert "target" not in out
    assert len(predicted(out)) == 50
    assert accuracy(cli("test", "--data", "./own_x.npy")[1]) > 0.9  # the same file, so its targets


def test_a_config_with_another_file(cli, files, tmp_path):
    (tmp_path / "mine.yaml").write_text("data: {name: npz, path: own.npz, test_path: test.npz}")
    (tmp_path / "more.yaml").write_text("data: {path: wrong.npz}")
    words = ("fit", "--config", "mine.yaml", "--print_config")
    assert "test_path: test.npz" in cli(*words)[1]
    for more in (("--data", "wrong.npz"), ("--data.path=wrong.npz",), ("--config", "more.yaml")):
        out = cli(*words, *more)[1]
        assert "path: wrong.npz" in out
        assert "test_path: null" in out
    (tmp_path / "more.yaml").write_text("data: {path: wrong.npz, test_path: own.npz}")
    assert "test_path: own.npz" in cli(*words, "--config", "more.yaml")[1]


@pytest.fixture
def fruit(cli, tmp_path):
    path = table(tmp_path / "fruit.csv")
    assert cli("fit", "--data", path, "--data.target", "kind", *QUICK)[0] == 0
    return path


def test_a_target_of_another_name(cli, fruit, tmp_path):
    text = table(tmp_path / "other.csv", rows=60, seed=1).read_text()
    (tmp_path / "other.csv").write_text(text.replace("kind", "label"))
    for target in ("label", 2, -1):
        code, out, err = cli("test", "--data", "other.csv", "--data.target", target)
        assert (code, err) == (0, "")
        assert "60 samples" in out
        assert accuracy(out) > 0.95
    code, _, err = cli("test", "--data", "other.csv", "--data.target", "lable")
    assert code == 1
    assert "other.csv: there is no column 'lable'; the columns are width, height, label" in err


def test_the_place_of_the_runs_target_is_not_taken_for_anothers(cli, tmp_path):
    rows = [row.split(",") for row in table(tmp_path / "o.csv", seed=2).read_text().split()]
    (tmp_path / "own.csv").write_text("".join(f"{k},{w},{h}\n" for w, h, k in rows))
    words = ("--data.target", 0, "--data.columns", "1,2")
    assert cli("fit", "--data", "own.csv", *words, *QUICK)[0] == 0
    assert accuracy(cli("test")[1]) > 0.9
    assert accuracy(cli("test", "--data", "o.csv")[1]) > 0.9
    (tmp_path / "new.csv").write_text("".join(f"{w},{h}\n" for w, h, _ in rows))
    code, out, err = cli("predict", "--data", "new.csv")
    assert (code, err) == (0, "")
    assert [row["class"] for row in predicted(out)[:20]] == [kind for _, _, kind in rows[1:21]]


def test_columns_by_number(cli, tmp_path):
    rows = table(tmp_path / "o.csv").read_text().split()[1:]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    words = ("fit", "--data", "bare.csv", "--data.header", "false", *QUICK)
    for columns in ("1,0", "1"):
        code, _, err = cli(*words, "--data.columns", columns)
        assert (code, err) == (0, "")
        kept = json.loads((latest_run(tmp_path / "runs") / "preprocessing.json").read_text())
        assert kept["inputs"]["columns"] == columns.split(",")


def test_other_columns_than_the_runs_are_refused(cli, fruit):
    code, out, err = cli("test", "--data.columns", "height,width")  # in whichever order
    assert (code, err) == (0, "")
    assert accuracy(out) > 0.9
    code, _, err = cli("test", "--data.columns", "height")
    assert code == 1
    assert "columns are height, and the run was trained on width, height; leave out columns" in err


@pytest.mark.filterwarnings("default:.*are split otherwise")
def test_a_run_whose_data_are_split_otherwise_is_warned_of(cli, files):
    assert cli("fit", "--data", "own.npz", *QUICK)[0] == 0
    assert "are split otherwise" not in cli("test", "--data.seed", 0)[2]
    for words in (("--data.seed", 3), ("--data.test_size", 0.5)):
        code, _, err = cli("test", *words)
        assert code == 0
        assert f"{words[0]}: the run's data are split otherwise" in err
