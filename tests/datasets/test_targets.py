"""What targets are taken for: labels, amounts, or neither without a word of the user's."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.datasets import from_arrays, load
from firstlight.tools.cli.data_arguments import arguments_from_data

LABELS = np.arange(24) % 3
X = np.random.default_rng(0).normal(size=(24, 2))


def taken(y, **arguments):
    splits = from_arrays(X, y, val_size=0, test_size=0, **arguments)
    return splits.train.arrays[1], splits


@pytest.mark.parametrize(
    "y",
    [
        LABELS.astype("uint8"),
        LABELS[:, None],
        LABELS[:, None].astype("int32"),
        np.eye(3, dtype=int)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
        np.eye(3, dtype="float32")[LABELS],
        np.array(["a", "b", "c"])[LABELS],
        np.array(["a", "b", "c"], object)[LABELS][:, None],
    ],
)
def test_labels_in_every_form(y):
    labels, splits = taken(y)
    assert (labels.dtype, labels.tolist()) == (np.int64, LABELS.tolist())
    assert len(splits.classes) == 3
    facts = arguments_from_data(splits)
    assert (facts["task"], facts["num_classes"]) == ("classification", 3)


def test_two_classes_of_booleans():
    assert taken(LABELS > 0)[1].classes == ["0", "1"]
    assert taken(LABELS[:, None] > 0)[1].classes == ["0", "1"]


@pytest.mark.parametrize("y", [X[:, 0], X[:, :1], X, 1000.0 * np.arange(24), -1.0 * LABELS])
def test_amounts(y):
    values, splits = taken(y)
    assert splits.classes is None
    assert values.shape == (24, y.reshape(24, -1).shape[1])
    np.testing.assert_allclose(values, y.reshape(values.shape), rtol=1e-6)
    facts = arguments_from_data(splits)
    assert (facts["task"], facts["out_features"]) == ("regression", values.shape[1])


@pytest.mark.parametrize("y", [1.0 * (LABELS > 0), 1.0 * LABELS, 1.0 * LABELS[:, None]])
def test_floats_that_may_be_labels_are_refused_until_it_is_said(y):
    with pytest.raises(ValueError, match=r"data: y has the floats 0.0, 1.0.*; write y.astype\('in"):
        taken(y)
    assert taken(y, regression=True)[0].tolist() == y.reshape(24, 1).tolist()
    labels, splits = taken(y, regression=False)
    assert (labels.tolist(), labels.dtype) == (y.ravel().tolist(), np.int64)
    assert taken(y, classes=["a", "b", "c"])[0].dtype == np.int64


def test_many_different_whole_numbers_are_refused_until_it_is_said():
    with pytest.raises(
        ValueError, match=r"24 different whole numbers as targets in 24 samples, so"
    ):
        taken(np.arange(24))
    with pytest.raises(ValueError, match="24 different words as targets in 24 samples"):
        taken(np.arange(24).astype(str))
    assert len(taken(np.arange(24), regression=False)[1].classes) == 24
    assert taken(np.arange(24), regression=True)[0].shape == (24, 1)
    assert taken(LABELS, regression=True)[1].classes is None


def test_whole_numbers_in_columns_are_refused():
    y = np.stack([LABELS, 5 - LABELS], axis=1)
    with pytest.raises(
        ValueError, match=r"y has whole numbers of shape \(24, 2\), neither one lab"
    ):
        taken(y)
    assert taken(y, regression=True)[0].dtype == np.float32
    with pytest.raises(ValueError, match="expected whole numbers as class labels"):
        taken(X[:, 0], regression=False)
    with pytest.raises(ValueError, match="expected numbers for a regression, got words"):
        taken(np.array(["a", "b"] * 12), regression=True)


def test_splits_of_ones_own_are_held_to_it_too():
    assert fl.DataSplits((X, LABELS)).classes == ["0", "1", "2"]
    assert fl.DataSplits((X, LABELS)).kind == "3 classes"
    assert fl.DataSplits((X, 1000 * LABELS)).classes is None
    with pytest.raises(
        ValueError, match=r"y in train are whole .* \(24, 1\); write y\[:, 0\] for c"
    ):
        fl.DataSplits((X, LABELS[:, None]))
    with pytest.raises(ValueError, match=r"\(24, 3\); write y.argmax\(axis=1\) for class labels"):
        fl.DataSplits((X, np.eye(3, dtype=int)[LABELS]))


def test_bytes_and_floats_are_not_mixed():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 4), "uint8")
    with pytest.raises(
        ValueError, match="data: test: expected x of one kind, got uint8 and float64"
    ):
        fl.DataSplits(
            (pixels, LABELS), test=(pixels / 255, LABELS), transform=fl.transforms.Scale()
        )
    net = fl.models.MLP(4, 3, hidden=(4,))
    trainer = fl.Trainer(runs_dir=None, default_callbacks=False, max_epochs=1)
    with (
        pytest.raises(
            ValueError, match="data and val_data: expected x of one kind, got float32 and"
        ),
        pytest.warns(UserWarning, match="uint8"),
    ):
        trainer.fit(net, (pixels / 255, LABELS), (pixels, LABELS))


def test_floats_and_bytes_with_a_scale_of_their_own_are_alike():
    splits = load("digits")
    x, y = splits.train[:9]
    made = fl.DataSplits((2 * x, y), splits.val)
    assert made.val[:1][0].dtype == made.train[:1][0].dtype == np.float32
    raw = splits.val.arrays
    with pytest.raises(ValueError, match="val: expected x of one kind, got float32 and uint8"):
        fl.DataSplits(splits.train, fl.ArrayDataset(*raw))


# --- npz -----------------------------------------------------------------------------------------


@pytest.fixture
def save(tmp_path):
    def save(*arrays, to="t.npz", **named):
        np.savez(tmp_path / to, *arrays, **named)
        return tmp_path / to

    return save


def labels_of(splits):
    parts = [part for part in (splits.train, splits.val, splits.test) if part is not None]
    return np.bincount(np.concatenate([part.arrays[1] for part in parts])).tolist()


@pytest.mark.parametrize(
    ("arrays", "arguments"),
    [
        ({"arr_0": X, "arr_1": LABELS}, {}),
        ({"labels": LABELS, "images": X}, {}),
        ({"X": X, "Y": np.eye(3)[LABELS]}, {"x_key": "X"}),
        ({"a": X, "b": LABELS, "c": LABELS}, {"x_key": "a", "y_key": "b"}),
        ({"x": X, "y": LABELS, "z": X}, {}),
        ({"a": X, "classes": list("abc"), "b": LABELS}, {}),
    ],
)
def test_arrays_of_other_names(save, arrays, arguments):
    splits = load(save(**arrays), **arguments)
    assert splits.input_shape == (2,)
    assert labels_of(splits) == [8, 8, 8]
    assert splits.classes == (["a", "b", "c"] if "classes" in arrays else ["0", "1", "2"])


def test_arrays_without_names(save):
    assert labels_of(load(save(X, LABELS))) == [8, 8, 8]


def test_arrays_of_wrong_names(save):
    path = save(a=X, b=LABELS)
    with pytest.raises(ValueError, match=r"there is no array 'c'; got a \(24, 2\), b \(24,\)"):
        load(path, x_key="c")
    path = save(a=X, b=LABELS, c=LABELS)
    with pytest.raises(ValueError, match="which array is meant. say x_key and y_key; got b .* c"):
        load(path, x_key="a")


def test_two_files(save, tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", LABELS)
    path = str(tmp_path / "y.npy")
    assert labels_of(load(tmp_path / "x.npy", y_path=path)) == [8, 8, 8]
    assert labels_of(load(save(X, to="x.npz"), y_path=path)) == [8, 8, 8]
    train, test = save(a=X, b=LABELS), save(a=X[:5], b=LABELS[:5], to="test.npz")
    splits = load(train, test_path=str(test), val_size=4)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [20, 4, 5]
    with pytest.raises(FileNotFoundError, match=r"npz: there is no file .*none.npz"):
        load(train, test_path=str(tmp_path / "none.npz"))


def test_images_get_an_axis_for_their_channel(save):
    images = np.zeros((24, 28, 28), "uint8")
    assert load(save(x=images, y=LABELS)).input_shape == (28, 28, 1)
    assert load(save(x_train=images, y_train=LABELS)).input_shape == (28, 28, 1)
    assert load(save(x=images.astype("float32"), y=LABELS)).input_shape == (28, 28)
    with pytest.raises(
        ValueError, match=r"channels-last, .*, got \(24, 3, 8, 8\); save x.transpose"
    ):
        load(save(x=np.zeros((24, 3, 8, 8), "uint8"), y=LABELS))


def test_ready_splits_read_their_targets_alike(save):
    named = np.array(["a", "b", "c"])[LABELS]
    splits = load(save(x_train=X, y_train=named, x_test=X[:3], y_test=["c", "c", "b"]))
    assert splits.test.arrays[1].tolist() == [2, 2, 1]
    splits = load(save(x_train=X, y_train=LABELS[:, None], x_test=X[:3], y_test=LABELS[:3, None]))
    assert splits.test.arrays[1].tolist() == [0, 1, 2]
    with pytest.raises(
        ValueError, match=r"y of one shape in all splits, got \(24,\) in train, .* in"
    ):
        load(save(x_train=X, y_train=LABELS, x_test=X[:3], y_test=LABELS[:3, None]))
    with pytest.raises(ValueError, match="expected x of one kind, got uint8 and float"):
        load(save(x_train=X.astype("uint8"), y_train=LABELS, x_test=X[:3], y_test=LABELS[:3]))


def test_a_regression_of_npz_can_be_trained(save):
    splits = load(save(x=X, y=X[:, 0]), standardize=True)
    np.testing.assert_allclose(splits.train[:][0].std(axis=0), 1, rtol=1e-5)
    net = fl.models.MLP(2, 1, hidden=(4,), task="regression")
    trainer = fl.Trainer(runs_dir=None, default_callbacks=False, max_epochs=1)
    assert np.isfinite(trainer.fit(net, splits)["train_loss"]).all()
