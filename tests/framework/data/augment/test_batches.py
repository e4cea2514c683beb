"""RandomCrop, RandomHorizontalFlip, RandomErasing, MixUp and CutMix."""

import numpy as np
import pytest

from firstlight.data.augment import CutMix, MixUp, RandomCrop, RandomErasing, RandomHorizontalFlip


@pytest.fixture
def x():
    return np.random.default_rng(0).random((200, 10, 12, 2), dtype="float32") + 1


def applied(transform, x, y=None, seed=1):
    y = np.arange(len(x)) if y is None else y
    before = x.copy()
    changed, labels = transform((x, y), np.random.default_rng(seed))
    np.testing.assert_array_equal(x, before)  # the data set's own array stays as it is
    again, _ = transform((x, y), np.random.default_rng(seed))
    np.testing.assert_array_equal(changed, again)
    assert changed.dtype == x.dtype
    return changed, labels


@pytest.mark.parametrize(
    "transform", [RandomCrop(), RandomHorizontalFlip(p=0), RandomErasing(p=0)], ids=repr
)
def test_nothing_to_do_is_the_identity(transform, x):
    changed, labels = applied(transform, x)
    np.testing.assert_array_equal(changed, x)
    np.testing.assert_array_equal(labels, np.arange(len(x)))


def test_crops_are_parts_of_the_padded_image(x):
    crops, _ = applied(RandomCrop((6, 7), padding=2, fill=9.0), x)
    assert crops.shape == (200, 6, 7, 2)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=9.0)
    places = set()
    for image, crop in zip(padded, crops, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(image, (6, 7), axis=(0, 1))
        found = np.argwhere((windows == crop.transpose(2, 0, 1)).all(axis=(2, 3, 4)))
        assert len(found) >= 1
        places.add(tuple(found[0]))
    assert {row for row, _ in places} == set(range(9))  # 10 + 4 - 6 and one more
    assert {column for _, column in places} == set(range(10))


def test_flips_mirror_about_half_of_the_images(x):
    flipped, _ = applied(RandomHorizontalFlip(), x)
    mirrored = (flipped == x[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((flipped == x).all(axis=(1, 2, 3)) ^ mirrored).all()
    assert 70 < mirrored.sum() < 130
    np.testing.assert_array_equal(applied(RandomHorizontalFlip(1.0), x)[0], x[:, :, ::-1])


def test_erased_is_one_rectangle_of_the_right_area(x):
    erased, _ = applied(RandomErasing(p=0.5, scale=(0.1, 0.3), ratio=(0.5, 2), value=0.0), x)
    hit = 0
    for image, original in zip(erased, x, strict=True):
        gone = (image == 0).all(axis=-1)
        np.testing.assert_array_equal(image[~gone], original[~gone])
        if not gone.any():
            continue
        hit += 1
        rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert gone.sum() == tall * wide  # one full rectangle
        assert 0.06 * 120 < tall * wide < 0.36 * 120  # sides are whole pixels
        assert 0.3 < tall / wide < 3.1
    assert 70 < hit < 130


def test_rectangles_that_never_fit_leave_the_image(x):
    erased, _ = applied(RandomErasing(p=1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0)), x)
    np.testing.assert_array_equal(erased, x)


def test_mixup_blends_images_and_labels_alike(x):
    y = np.arange(200) % 4
    mixed, soft = applied(MixUp(num_classes=4), x, y)
    share = soft[0, 0]
    assert 0 < share < 1
    np.testing.assert_allclose(mixed, share * x + (1 - share) * np.roll(x, 1, axis=0), rtol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(soft[np.arange(1, 200), y[:-1]], 1 - share, rtol=1e-6)
    assert (soft.shape, soft.dtype) == ((200, 4), "float32")
    again, softer = applied(MixUp(), mixed, soft)  # probabilities are targets too
    np.testing.assert_allclose(softer.sum(axis=1), 1, rtol=1e-5)
    assert again.shape == x.shape


def test_cutmix_pastes_a_rectangle_and_shares_by_its_area(x):
    y = np.arange(200) % 4
    for seed in range(20):
        mixed, soft = applied(CutMix(num_classes=4), x, y, seed)
        pasted = (mixed == np.roll(x, 1, axis=0)).all(axis=(0, 3))
        np.testing.assert_array_equal(mixed[:, ~pasted], x[:, ~pasted])
        np.testing.assert_allclose(soft[np.arange(200), y], 1 - pasted.mean(), atol=1e-6)
        np.testing.assert_allclose(soft[np.arange(200), y - 1], pasted.mean(), atol=1e-6)
        np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomCrop(padding=-1), "RandomCrop: expected padding of 0 or more, got -1"),
        (lambda: RandomHorizontalFlip(2), "RandomHorizontalFlip: expected p from 0 to 1, got 2"),
        (lambda: RandomErasing(p=-1), "RandomErasing: expected p from 0 to 1, got -1"),
        (lambda: RandomErasing(scale=(0, 2)), "expected scale from 0 to 1 and ratio above 0"),
        (lambda: RandomErasing(ratio=(0, 1)), r"ratio above 0, got .* ratio=\(0, 1\)"),
        (lambda: RandomErasing(scale=(-1, 1)), r"a pair \(min, max\) of 0 or more, got \(-1, 1\)"),
        (lambda: MixUp(alpha=0), "MixUp: expected alpha above 0, got 0"),
        (lambda: CutMix(num_classes=0), "CutMix: expected num_classes of 1 or more, got 0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("transform", "batch", "error", "message"),
    [
        (RandomCrop(20), (np.ones((2, 8, 8, 1)),), ValueError, "from 1 to 8 x 8 .* got 20 x 20"),
        (RandomErasing(), (np.ones((2, 8)),), ValueError, r"\(N, H, W, C\), got \(2, 8\)"),
        (MixUp(), (np.ones((2, 8)), np.array([0, 1])), ValueError, r"MixUp\(num_classes=...\)"),
        (
            CutMix(num_classes=2),
            (np.ones((2, 8, 8, 1)), np.array([0, 2])),
            ValueError,
            "expected labels from 0 to 1, got labels from 0 to 2",
        ),
        (
            MixUp(num_classes=2),
            (np.ones((2, 8)), np.ones(2)),
            TypeError,
            r"expected class indices y of shape \(N,\).* got float64 of shape \(2,\)",
        ),
        (
            MixUp(num_classes=2),
            (np.ones((2, 8), int), np.array([0, 1])),
            TypeError,
            "MixUp: expected floating-point x, got int64; put a Scale before",
        ),
    ],
)
def test_bad_batches(transform, batch, error, message):
    with pytest.raises(error, match=message):
        transform(batch, np.random.default_rng(0))
