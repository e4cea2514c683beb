"""Whichever door samples come through, a network gets the same numbers."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.dataset import as_dataset
from firstlight.data.splits import as_loader
from firstlight.data.transforms import Scale


def doors(splits, split):
    """Return x of the whole split through each door that there is."""
    data = getattr(splits, split)
    loaders = {
        "loader": splits.loader(split, training=False),
        "as_loader of the data set": as_loader(data, "test"),
        "DataLoader": fl.DataLoader(data, 3),
        "new splits": fl.DataSplits(splits.train, test=data).loader("test"),
    }
    found = {name: np.concatenate([batch[0] for batch in made]) for name, made in loaders.items()}
    found["slice"], found["indices"] = data[:][0], data[np.arange(len(data))][0]
    found["one by one"] = np.stack([data[i][0] for i in range(len(data))])
    found["mask"] = data[np.ones(len(data), bool)][0]
    return found


@pytest.mark.parametrize("name", ["digits", "pixels", "floats", "a data set of one's own"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_door_scales_alike(name, split):
    splits = make(name)
    found = doors(splits, split)
    for door, x in found.items():
        assert x.dtype == np.float32, door
        np.testing.assert_array_equal(x, found["loader"], err_msg=door)
    raw = getattr(splits, split)
    raw = (raw.arrays if hasattr(raw, "arrays") else raw.data[np.arange(len(raw))])[0]
    np.testing.assert_allclose(found["slice"], splits.transform((raw,), None)[0])
    assert not np.array_equal(found["slice"], raw)


def make(name):
    rng = np.random.default_rng(0)
    if name == "digits":
        return fl.datasets.load("digits", augment=("affine",))
    if name == "pixels":
        return fl.datasets.from_arrays(rng.integers(0, 256, (40, 3, 3), "uint8"), rng.random(40))
    if name == "floats":
        x = rng.normal(1000, 1, (40, 2))
        return fl.DataSplits(x[:20], x[20:30], x[30:], transform=Scale(1, 1000.0, 2.0))
    return fl.DataSplits(Own(20), Own(9), Own(8), transform=Scale(10))


class Own:
    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return self.samples

    def __getitem__(self, indices):
        return (np.arange(self.samples, dtype="float32")[indices],)

    def draw(self, count, rng):
        return (rng.random(count),)

    def weight(self, batch):
        return 3


def test_drawn_samples_are_scaled_too():
    splits = fl.DataSplits(Own(64), transform=Scale(1, 100.0))
    ((x,), *_) = splits.loader("train")
    assert (x < -98).all()
    assert splits.train.weight(None) == 3
    assert not hasattr(splits.train, "metrics")


def test_what_a_slice_gives_is_what_the_network_was_trained_on():
    fl.seed_everything(0)
    digits = fl.datasets.load("digits")
    net = fl.models.MLP(64, 10, hidden=(32,))
    trainer = fl.Trainer(max_epochs=5, runs_dir=None, default_callbacks=False)
    trainer.fit(net, digits)
    x, y = digits.test[:]
    by_hand = (net.eval()(x).argmax(axis=1) == y).mean()
    assert by_hand == pytest.approx(trainer.test(net, digits)["test_acc"])
    assert trainer.test(net, digits.test)["test_acc"] == pytest.approx(by_hand)


def test_nothing_is_scaled_twice():
    scale = Scale(255)
    data = as_dataset((np.zeros((4, 2), "uint8"), np.arange(4)), transform=scale)
    with pytest.raises(ValueError, match=r"samples of data go through Scale\(.* leave out transf"):
        fl.DataLoader(data, 2, transform=scale)
    with pytest.raises(ValueError, match=r"data \(train\): its samples go through Scale\(high=255"):
        fl.DataSplits(data, transform=Scale(16))
    assert fl.DataSplits(data).transform is scale
    assert fl.DataSplits(data, transform=scale).train is data


def test_float64_is_scaled_before_it_is_rounded():
    seconds = 1_700_000_000.0 + np.arange(100)
    x = fl.DataSplits(seconds[:, None], transform=Scale(1, seconds.mean(), 10.0)).train[:][0]
    np.testing.assert_allclose(x[:, 0], (np.arange(100) - 49.5) / 10, rtol=1e-6)
    whole = Scale(1, seconds.mean(), 10.0)((seconds[:, None].astype("int64"),), None)[0]
    np.testing.assert_array_equal(whole, x)


def test_bytes_that_nobody_scales_are_told():
    x, y = np.zeros((4, 64), "uint8"), np.arange(4)
    with pytest.warns(UserWarning, match="train data: x is uint8 and reaches the network as it is"):
        as_loader((x, y), "train")
    with pytest.warns(UserWarning, match="data: x is uint8"):
        fl.DataSplits((x, y))
    fl.DataSplits((x, y), transform=Scale(255))
    for dtype in ("float32", "float64"):
        message = rf"got uint8; bytes are unscaled pixels: .*, or write x.astype\('{dtype}'\) / 255"
        with pytest.raises(TypeError, match=message):
            fl.nn.Linear(64, 2).to(dtype=dtype)(x)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1.0, 2.0], r"got list; write np.array\(...\) for values"),
        ([[1.0], [2.0]], r"got list; write np.array\(...\) for values"),
        ([fl.DataLoader(np.ones((4, 2)), 2)], r"got list; name several sets of validation data: {"),
        ({"x": 1, "y": 2}, r"got dict; write \(data\['x'\], data\['y'\]\)"),
        ({"clean": (1, 2)}, r"got dict; sets by name are the second argument of fit, or"),
    ],
)
def test_lists_and_dicts_are_refused_with_what_to_write(data, message):
    with pytest.raises(TypeError, match=message):
        as_loader(data, "train")
