"""digits: the shipped file, its splits, and that they can be learned."""

import numpy as np

import firstlight as fl
from firstlight import nn, optim
from firstlight.datasets import load


def every_sample(splits):
    parts = [getattr(splits, s).arrays for s in ("train", "val", "test")]
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y


def test_the_file_is_the_uci_test_set():
    splits = load("digits")
    x, y = every_sample(splits)
    assert (x.shape, x.dtype, x.min(), x.max()) == ((1797, 8, 8, 1), np.uint8, 0, 16)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first image of the collection is a zero; its first rows as published:
    first = [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]
    at = np.flatnonzero((x[:, :2, :, 0] == first).all(axis=(1, 2)))
    assert y[at].tolist() == [0]
    # Digits of a class look alike: the class means tell nine in ten images apart.
    means = np.stack([x[y == k].mean(axis=0) for k in range(10)])
    nearest = ((x[:, None].astype(float) - means) ** 2).sum(axis=(2, 3, 4)).argmin(axis=1)
    assert (nearest == y).mean() > 0.88


def test_batches_are_float32():
    splits = load("digits")
    x, _ = next(iter(splits.loader("train")))
    assert (x.shape, x.dtype) == ((32, 8, 8, 1), np.float32)
    x = np.concatenate([x for x, _ in splits.loader("train")])
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02


def test_pixels_and_metadata():
    splits = load("digits", normalize=False)
    x, y = next(iter(splits.loader("train")))
    assert (x.shape, x.dtype, y.shape) == ((32, 8, 8, 1), np.float32, (32,))
    assert (x.min(), x.max()) == (0, 1)
    assert splits.input_shape == (8, 8, 1)
    assert splits.classes == list("0123456789")
    assert "10.24432/C50P49" in splits.info["source"]


def test_the_split_follows_from_its_seed():
    splits = [load("digits", seed=seed) for seed in (0, 0, 1)]
    tests = [s.test.arrays[0].tobytes() for s in splits]
    assert tests[0] == tests[1] != tests[2]
    fl.seed_everything(123)  # the training's seed changes nothing
    assert load("digits").test.arrays[0].tobytes() == tests[0]


def test_every_digit_has_its_share_of_every_split():
    splits = load("digits")
    whole = np.bincount(every_sample(splits)[1]) / 1797
    for part in (splits.train, splits.val, splits.test):
        counts = np.bincount(part.arrays[1], minlength=10)
        assert np.abs(counts - whole * len(part)).max() <= 2


def test_an_mlp_learns_them():
    splits = load("digits")
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    loss, adam = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=2e-3)
    loader = splits.loader("train")
    for _ in range(10):
        for x, y in loader:
            loss(model(x.reshape(len(x), 64)), y)
            model.backward(loss.backward())
            adam.step()
            adam.zero_grad()
    model.eval()
    right = [model(x.reshape(len(x), 64)).argmax(axis=1) == y for x, y in splits.loader("test")]
    assert np.concatenate(right).mean() >= 0.95
