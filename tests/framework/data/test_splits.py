"""DataSplits, and loaders from whatever a user passes to the Trainer."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.splits import as_loader, train_and_val_loaders


@pytest.fixture
def xy(rng):
    return rng.normal(size=(40, 3)), rng.integers(0, 4, 40)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


class Batches:
    """A user's own loader: __iter__ and __len__, nothing else."""

    def __len__(self):
        return 2

    def __iter__(self):
        yield from [(np.ones((2, 3), "float32"), np.zeros(2, int))] * 2


class Squares:
    """A user's own data set: no arrays, made when asked for."""

    def __len__(self):
        return 10

    def __getitem__(self, indices):
        return (indices.astype("float32")[:, None], indices**2)


def test_splits_take_arrays_and_know_their_shape(xy):
    x, y = xy
    splits = fl.DataSplits((x[:30], y[:30]), test=(x[30:], y[30:]), classes=list("abcd"), name="n")
    assert isinstance(splits.train, fl.ArrayDataset)
    assert splits.val is None
    assert (splits.input_shape, splits.batch_size) == ((3,), 30)
    assert repr(splits) == "DataSplits(n: 30 train, 10 test; x (3,), 4 classes)"


def test_splits_of_a_users_data_set_find_the_input_shape():
    splits = fl.DataSplits(Squares())
    assert splits.input_shape == (1,)
    assert len(splits.loader("train")) == 1


def test_only_training_is_shuffled_and_augmented_and_every_split_is_transformed(xy):
    x, y = xy
    data = (x, np.arange(40))

    def negative(batch, rng):
        return -batch[0], batch[1]

    def more(batch, rng):
        return batch[0] + rng.integers(1, 2), batch[1]

    splits = fl.DataSplits(data, data, data, batch_size=8, transform=negative, augment=more)
    orders = {s: np.concatenate([b[1] for b in splits.loader(s)]) for s in ("train", "val", "test")}
    assert sorted(orders["train"]) == list(range(40))
    assert (orders["train"] != np.arange(40)).any()
    np.testing.assert_array_equal(orders["val"], np.arange(40))
    np.testing.assert_array_equal(orders["test"], np.arange(40))
    assert next(iter(splits.loader("val")))[0][0, 0] == np.float32(-x[0, 0])
    (first, y), *_ = splits.loader("train")
    np.testing.assert_allclose(first, 1 - x[y], atol=1e-6)
    (first, y), *_ = splits.loader("train", training=False)
    np.testing.assert_array_equal(y, np.arange(8))
    np.testing.assert_allclose(first, -x[:8], atol=1e-6)


def test_small_evaluation_splits_shrink_the_batch_but_training_refuses(xy):
    x, y = xy
    splits = fl.DataSplits((x, y), val=(x[:3], y[:3]), batch_size=16)
    assert [len(b[0]) for b in splits.loader("val")] == [3]
    splits.batch_size = 64
    with pytest.raises(ValueError, match=r"batch_size from 1 to 40, .* in data \(train\), got 64"):
        splits.loader("train")


@pytest.mark.parametrize("size", [0, -1, 2.5, "many"])
def test_a_batch_size_that_makes_no_batches_is_refused_at_once(xy, size):
    with pytest.raises((ValueError, TypeError), match="data: batch_size: expected "):
        fl.DataSplits(xy, batch_size=size)


def test_unknown_split_name(xy):
    with pytest.raises(ValueError, match='expected split "train", "val" or "test", got \'dev\''):
        fl.DataSplits(xy).loader("dev")


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_name_split_range_and_classes(xy, label):
    x, y = xy
    bad = np.array([0, 2, label])
    message = rf"pets: expected labels 0 ... 2 \(3 classes\), got labels from {min(label, 0)} to "
    message += f"{max(2, label)} in val"
    with pytest.raises(ValueError, match=message):
        fl.DataSplits((x, y % 3), val=(x[:3], bad), classes=["a", "b", "c"], name="pets")


def test_float_labels_with_classes(xy):
    x, y = xy
    message = r"data: expected integer labels 0 ... 3 in train, got dtype float32; write y.astype"
    with pytest.raises(TypeError, match=message):
        fl.DataSplits((x, y.astype(float)), classes=list("abcd"))
    assert fl.DataSplits((x, y.astype(float))).classes is None  # a regression


def test_class_probabilities_are_left_alone(xy):
    splits = fl.DataSplits((xy[0], np.eye(4)[xy[1]]), classes=list("abcd"))
    assert splits.train.arrays[1].shape == (40, 4)


# --- loaders from what fit, validate, test and predict are given ---------------------------------


def test_fit_with_splits(xy):
    x, y = xy
    train, val = train_and_val_loaders(fl.DataSplits((x[:30], y[:30]), (x[30:], y[30:])), None)
    assert (len(train.data), len(val.data)) == (30, 10)
    assert (train.shuffle, val.shuffle) == (True, False)
    assert train_and_val_loaders(fl.DataSplits((x, y)))[1] is None


def test_given_validation_data_go_before_those_of_the_splits(xy):
    x, y = xy
    splits = fl.DataSplits((x[:30], y[:30]), (x[30:], y[30:]))
    assert len(train_and_val_loaders(splits, (x[:5], y[:5]))[1].data) == 5
    other = fl.DataSplits((x, y), (x[:7], y[:7]))
    assert len(train_and_val_loaders(splits, other)[1].data) == 7


def test_fit_with_arrays(xy):
    train, val = train_and_val_loaders(xy)
    assert (len(train), train.shuffle, val) == (2, True, None)
    small = train_and_val_loaders((xy[0][:5], xy[1][:5]))[0]
    assert small.batch_size == 5  # nobody chose 32, so nobody is blamed


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_plain_data_are_shuffled_for_training_only(xy, split):
    for data in (xy, xy[0], fl.ArrayDataset(*xy), Squares()):
        assert as_loader(data, split).shuffle == (split == "train")


def test_loaders_pass_as_they_are(xy):
    own, batches = Batches(), [(xy[0][:4], xy[1][:4])] * 3
    loader = fl.DataLoader(xy, 5)
    for data in (own, batches, loader):
        assert as_loader(data, "train") is data
    assert train_and_val_loaders(own, batches) == (own, batches)


def test_a_lone_array_gives_batches_of_x(xy):
    (batch,) = as_loader(xy[0][:4], "test")
    assert len(batch) == 1
    np.testing.assert_array_equal(batch[0], xy[0][:4].astype("float32"))


def test_a_split_that_is_not_there_is_named(xy):
    message = "iris has no test data, only train; pass test data as an array, a tuple"
    with pytest.raises(ValueError, match=message):
        as_loader(fl.DataSplits(xy, name="iris"), "test")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "got list; write np.array"),
        ([np.zeros((3, 2)), np.zeros(3)], r"got list; write np.array\(...\) for values, \(x, y\)"),
        ({"x": np.zeros(3)}, r"got dict; write \(data\['x'\], data\['y'\]\)"),
        ("mnist", "got str; load it first: firstlight.datasets.load"),
        ((x for x in "ab"), "got generator; if it is a loader, give it __len__"),
        (3, "train data: expected an array, a tuple .* got int$"),
        (None, "got NoneType"),
        ([], "got list"),
    ],
)
def test_what_cannot_be_data(data, message):
    with pytest.raises(TypeError, match=message):
        train_and_val_loaders(data)


def test_empty_arrays_are_refused():
    with pytest.raises(ValueError, match="train data is empty: expected at least one sample"):
        train_and_val_loaders((np.zeros((0, 3)), np.zeros(0, int)))


@pytest.mark.parametrize(("samples", "sizes"), [(9, [4, 4]), (10, [4, 4, 2]), (1, [1])])
def test_a_lone_last_sample_is_left_out_of_training_only(samples, sizes):
    x = np.arange(samples, dtype=float)[:, None]
    splits = fl.DataSplits(x, val=x, batch_size=min(4, samples))
    assert [len(batch) for (batch,) in splits.loader("train")] == sizes
    assert sum(len(batch) for (batch,) in splits.loader("val")) == samples


def test_samples_of_all_splits_have_one_shape():
    with pytest.raises(ValueError, match=r"shape \(3,\) in test, as in training, got \(2,\)"):
        fl.DataSplits(np.zeros((4, 3)), test=np.zeros((4, 2)))
    with pytest.raises(TypeError, match="data: expected training data, got None"):
        fl.DataSplits(None)
