"""from_arrays and npz: splitting, labels, what a file may hold."""

import numpy as np
import pytest

from firstlight.datasets import from_arrays, load
from firstlight.datasets.splitting import Splitting

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 4


@pytest.mark.parametrize(
    ("val", "test", "sizes"),
    [(0.1, 0.1, (16, 2, 2)), (0, 5, (15, 0, 5)), (0.25, 0, (15, 5, 0)), (3, 0.2, (13, 3, 4))],
)
@pytest.mark.parametrize("labels", [None, Y])
def test_every_sample_is_in_one_split(val, test, sizes, labels):
    parts = Splitting(val, test).indices(20, labels)
    assert tuple(map(len, parts)) == sizes
    assert sorted(np.concatenate(parts)) == list(range(20))
    assert all((np.diff(part) > 0).all() for part in parts)


def test_the_seed_chooses():
    picks = [Splitting(10, 10, seed).indices(100)[2].tolist() for seed in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]


@pytest.mark.parametrize("seed", range(5))
def test_rare_classes_get_their_share(seed):
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    np.random.default_rng(seed).shuffle(labels)
    _, val, test = Splitting(0.1, 0.2, seed).indices(1000, labels)
    assert np.abs(np.bincount(labels[test]) - [140, 40, 20]).max() <= 1
    assert np.abs(np.bincount(labels[val]) - [70, 20, 10]).max() <= 1
    plain = np.bincount(labels[Splitting(0.1, 0.2, seed).indices(1000)[2]])
    assert plain.tolist() != np.bincount(labels[test]).tolist()


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (10, 10), (0, 20), (25, 0)])
def test_something_must_be_left_to_train_on(val, test):
    with pytest.raises(ValueError, match=r"data: val_size=.* of 20 samples and leave none"):
        from_arrays(X, Y, val_size=val, test_size=test)


@pytest.mark.parametrize("size", [-0.1, 1.5, float("nan")])
def test_sizes_that_mean_nothing(size):
    with pytest.raises(ValueError, match="toy: expected test_size to be a fraction below 1 or a"):
        from_arrays(X, Y, test_size=size, name="toy")


def test_labels_and_regression():
    labelled = from_arrays(X, Y.astype("uint8"))
    assert labelled.classes == ["0", "1", "2", "3"]
    assert labelled.train.arrays[1].dtype == np.int64
    assert from_arrays(X, Y > 1).train.arrays[1].dtype == np.int64  # a mask would index otherwise
    assert from_arrays(X, Y + 0.5).classes is None
    assert from_arrays(X, Y, classes=["a", "b", "c", "d"]).classes == ["a", "b", "c", "d"]


@pytest.mark.parametrize("dtype", [str, object])
def test_strings_are_encoded(dtype):
    names = np.array(["pear", "apple"] * 10, dtype)
    splits = from_arrays(X, names, val_size=0, test_size=0)
    assert splits.classes == ["apple", "pear"]
    assert splits.train.arrays[1].tolist() == [1, 0] * 10


def test_x_and_y_stay_together():
    splits = from_arrays(X, X[:, 0])
    for part in (splits.train, splits.val, splits.test):
        np.testing.assert_array_equal(part.arrays[0][:, :1], part.arrays[1])


def test_pixels_are_scaled_and_tokens_are_not():
    pixels = from_arrays(np.full((20, 4), 255, "uint8"), Y)
    assert next(iter(pixels.loader("test")))[0].max() == 1.0
    tokens = from_arrays(np.full((20, 4), 255), Y)
    assert next(iter(tokens.loader("test")))[0].dtype == np.int64


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:3], r"as many inputs as targets, .* x of shape \(20, 2\) and y of shape \(3,\)"),
        (X[:0], Y[:0], "and at least one"),
        (X, Y - 1, r"expected labels 0 ... 2 \(3 classes\), got labels from -1 to 2 in train"),
        (X * np.nan, Y, "array 0 has NaN or infinity"),
    ],
)
def test_arrays_that_cannot_be(x, y, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(x, y)


# --- npz -----------------------------------------------------------------------------------------


def test_npz_with_x_and_y_is_split(tmp_path):
    np.savez(tmp_path / "toy.npz", x=X, y=Y, classes=["a", "b", "c", "d"])
    splits = load(tmp_path / "toy.npz", val_size=2, test_size=6, seed=3, batch_size=5)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (12, 2, 6)
    assert (splits.classes, splits.batch_size, splits.name) == (list("abcd"), 5, "toy")


def test_npz_with_ready_splits_keeps_them(tmp_path):
    images = np.full((20, 3, 3), 51, "uint8")
    path = tmp_path / "images.npz"
    np.savez(path, x_train=images, y_train=Y, x_test=images[:5], y_test=Y[:5] + 1)
    splits = load(path, val_size=0.2)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (16, 4, 5)
    assert splits.classes == ["0", "1", "2", "3", "4"]
    np.testing.assert_allclose(next(iter(splits.loader("val")))[0], 0.2)
    np.savez(path, x_train=images, y_train=Y, x_val=images[:7], y_val=Y[:7])
    splits = load(path)
    assert (len(splits.train), len(splits.val), splits.test) == (20, 7, None)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": X, "b": X},
            r"expected arrays x and y, or .*; got a \(20, 2\), b .* x_key and y_key",
        ),
        ({"a": X, "b": Y, "c": Y}, r"got a \(20, 2\), b \(20,\), c \(20,\); say which"),
        ({"a": X, "b": Y[:7]}, "say which are meant"),
        ({"x_train": X}, "got x_train"),
        ({"x": X, "y": np.array([None] * 20)}, "it holds Python objects, which are not loaded"),
    ],
)
def test_npz_with_other_content(tmp_path, arrays, message):
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "odd.npz")


def test_files_that_are_no_npz(tmp_path):
    path = tmp_path / "bad.npz"
    with pytest.raises(FileNotFoundError, match=r"npz: there is no file .*bad.npz"):
        load(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"bad.npz: not a usable .npz file"):
        load(path)
    with open(path, "wb") as file:
        np.save(file, X)
    with pytest.raises(ValueError, match="it holds one bare array; name it .npy"):
        load(path)
    np.savez(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"bad.npz: not a usable .npz file"):
        load(path)
