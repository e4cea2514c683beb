"""Augmentation by name, and in a training: only there, and the same after a resume."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.augment import RECIPES, augmentation
from firstlight.data.splits import DataLoader
from firstlight.data.transforms import Scale


def test_every_recipe_works_on_every_size():
    for size in (8, 28, 32):
        transform = augmentation(RECIPES, scale=Scale(255), shape=(size, size, 3), classes=10)
        batch = np.full((6, size, size, 3), 0.5, "float32"), np.arange(6)
        x, y = transform(batch, np.random.default_rng(0))
        assert (x.shape, x.dtype) == ((6, size, size, 3), "float32")
        np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)


def test_what_comes_in_from_outside_is_black():
    scale = Scale(255, 0.5, 0.25)
    names = ("affine", "crop", "erase")
    transform = augmentation(names, scale=scale, shape=(8, 8, 1), classes=2)
    black = scale((np.zeros((50, 8, 8, 1), "uint8"), np.arange(50)), None)
    x, _ = transform(black, np.random.default_rng(0))
    np.testing.assert_allclose(x, -2, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (
            ("afine",),
            ValueError,
            "digits: no augmentation is called 'afine'; did you mean 'affine'",
        ),
        (("blur",), ValueError, "; there are: affine, elastic, crop, erase, mixup, cutmix"),
        (("flip",), ValueError, "digits: flip is left out here, as mirrored signs are other signs"),
        (("crop", "crop"), ValueError, "expected each name in augment once, got 'crop' again"),
        ("crop", TypeError, "expected augment as a tuple of names, got 'crop'; add a comma"),
    ],
)
def test_bad_names(names, error, message):
    with pytest.raises(error, match=message):
        fl.datasets.load("digits", augment=names)


def test_only_training_images_are_augmented():
    plain = fl.datasets.load("digits")
    changed = fl.datasets.load("digits", augment=("affine",))
    for split in ("val", "test"):
        for one, other in zip(plain.loader(split), changed.loader(split), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
    (x, y), (moved, labels) = next(iter(plain.loader("train"))), next(iter(changed.loader("train")))
    np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(x, moved)


def test_prefetching_changes_nothing():
    splits = fl.datasets.load("digits", augment=("affine", "elastic", "mixup"))
    loaders = [
        DataLoader(splits.val, 32, shuffle=True, transform=splits.augment, prefetch=ahead)
        for ahead in (0, 3)
    ]
    for one, other in zip(*loaders, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    first = next(iter(loaders[0]))[0]  # the next epoch: other numbers
    assert not np.array_equal(first, next(iter(DataLoader(splits.val, 32, seed=0)))[0])


@pytest.mark.parametrize("steps", [7, 40, 55])  # within the first epoch, at its end, in the second
def test_resumed_equals_uninterrupted(steps, tmp_path):
    def fit(folder, seed=0, resume=None, **settings):
        fl.seed_everything(seed)
        data = fl.datasets.load("digits", augment=("affine", "elastic", "erase", "cutmix"))
        settings |= {"runs_dir": tmp_path / folder, "default_callbacks": False}
        trainer = fl.Trainer(callbacks=["model_checkpoint"], name="net", **settings)
        trainer.fit(fl.models.MLP(64, 10, hidden=(16,)), data, resume=resume)
        return {name: a.tobytes() for name, a in trainer.module.state_dict().items()}

    whole = fit("whole", max_steps=60)
    fit("parts", max_steps=steps)
    assert fit("parts", seed=99, resume="last", max_steps=60) == whole
