"""RandomAffine, ElasticTransform and their shared resampling."""

import numpy as np
import pytest

from firstlight.data.augment import Compose, ElasticTransform, RandomAffine
from firstlight.data.augment.warps import gaussian_matrix, resample


@pytest.fixture
def x():
    return np.random.default_rng(0).random((5, 12, 12, 2), dtype="float32")


def applied(transform, x, seed=1):
    y = np.arange(len(x))
    moved, labels = transform((x, y), np.random.default_rng(seed))
    assert labels is y
    assert (moved.shape, moved.dtype) == (x.shape, x.dtype)
    return moved


class Highest:
    """In the place of a generator: always the upper end of the range."""

    def uniform(self, low, high, size):
        return np.full(size, high)


AFFINE = RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (-10, 10, -5, 5), fill=0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 7, 10, 1), (2, 8, 8, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize(
    "transform",
    [
        RandomAffine(0, (0, 0), (1, 1), 0),
        ElasticTransform(alpha=0),
        Compose([RandomAffine(0), ElasticTransform(alpha=0)]),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_nothing_to_move_is_the_identity_to_the_bit(transform, shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    np.testing.assert_array_equal(applied(transform, x), x)


@pytest.mark.parametrize(("degrees", "quarters"), [(90, -1), (-90, 1), (180, 2)])
def test_quarter_turns_go_clockwise(degrees, quarters, x):
    turned = applied(RandomAffine((degrees, degrees)), x)
    np.testing.assert_allclose(turned, np.rot90(x, quarters, axes=(1, 2)), atol=1e-5)


def test_shifts_move_what_is_inside_and_fill_what_is_free(x):
    transform = RandomAffine(0, translate=(0.25, 0), fill=0.5)  # 3 of 12 pixels at most
    moved, _ = transform((x, np.arange(5)), Highest())
    np.testing.assert_allclose(moved[:, :, 3:], x[:, :, :-3], atol=1e-6)
    assert (moved[:, :, :3] == 0.5).all()
    transform = RandomAffine(0, translate=(0, 0.25))
    moved, _ = transform((x, np.arange(5)), Highest())
    np.testing.assert_allclose(
        moved, np.pad(x, ((0, 0), (3, 0), (0, 0), (0, 0)))[:, :12], atol=1e-6
    )


def test_scale_enlarges_and_shear_leaves_the_middle():
    dot = np.zeros((1, 9, 9, 1), "float32")
    dot[0, 4, 6] = 1  # two pixels to the right of the centre
    moved = applied(RandomAffine(0, scale=(2, 2)), dot)
    assert moved[0, 4, 8, 0] == pytest.approx(1)
    row = np.zeros((1, 9, 9, 1), "float32")
    row[0, :, 4] = 1
    sheared = applied(RandomAffine(0, shear=(45, 45)), row)
    np.testing.assert_allclose(sheared[0, ..., 0], np.eye(9)[::-1], atol=1e-5)


def test_every_image_gets_numbers_of_its_own_and_the_seed_fixes_them(x):
    same = np.repeat(x[:1], 5, axis=0)
    for transform in (AFFINE, ElasticTransform(8, 2), Compose([AFFINE, ElasticTransform(8, 2)])):
        moved = applied(transform, same)
        assert len(np.unique(moved.reshape(5, -1), axis=0)) == 5
        np.testing.assert_array_equal(moved, applied(transform, same))
        assert not np.array_equal(moved, applied(transform, same, seed=2))


def test_outside_is_fill():
    far = resample(np.ones((1, 3, 3, 1)), np.full((1, 3, 3), -7.0), np.full((1, 3, 3), 40.0), 0.25)
    assert (far == 0.25).all()
    half = resample(np.ones((1, 3, 3, 1)), np.full((1, 3, 3), -0.5), np.full((1, 3, 3), 1.0), 0.0)
    np.testing.assert_allclose(half, 0.5)


def test_neighbouring_warps_share_one_resampling(x):
    affine, elastic = RandomAffine(15, fill=0.5), ElasticTransform(8, 2, fill=0.5)
    rng = np.random.default_rng(1)
    pixels = np.ogrid[:12, :12]
    rows, columns = (place[None].astype("float32") for place in pixels)
    rows, columns = affine.move(*elastic.move(rows, columns, x.shape, rng), x.shape, rng)
    once = applied(Compose([affine, elastic]), x)
    np.testing.assert_array_equal(once, resample(x, rows, columns, 0.5))
    apart = applied(Compose([affine, ElasticTransform(8, 2, fill=0.0)]), x)  # other fill: twice
    assert not np.array_equal(once, apart)


def test_elastic_displacements_are_smooth_and_of_the_expected_size():
    rng, transform = np.random.default_rng(0), ElasticTransform(34, 4)
    rows, columns = transform.move(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), (200, 28, 28, 1), rng)
    middle = np.stack([rows, columns])[:, :, 10:18, 10:18]  # away from the border
    assert middle.std() == pytest.approx(0.163 * 34 / 4, rel=0.05)
    assert np.abs(np.diff(middle, axis=2)).mean() < 0.3


def test_gaussian_matrix_smooths_like_a_convolution():
    u, kernel = np.random.default_rng(0).random(30), np.exp(-0.5 * (np.arange(-20, 21) / 2.5) ** 2)
    expected = np.convolve(u, kernel / kernel.sum())[20:-20]
    np.testing.assert_allclose(gaussian_matrix(30, 2.5) @ u, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomAffine(-3), "RandomAffine: expected degrees of 0 or more, or a pair"),
        (lambda: RandomAffine((5, -5)), r"expected degrees as a pair \(min, max\), got \(5, -5\)"),
        (lambda: RandomAffine(0, (0.1,)), r"expected translate as two shares .* got \(0.1,\)"),
        (lambda: RandomAffine(0, (0, 2)), r"from 0 to 1, of width and height, got \(0, 2\)"),
        (lambda: RandomAffine(0, scale=(0, 1)), r"expected scale above 0, got \(0, 1\)"),
        (lambda: RandomAffine(0, shear=(1, 2, 3)), "expected shear as a pair"),
        (lambda: ElasticTransform(-1), "ElasticTransform: expected alpha of 0 or more and sigma"),
        (lambda: ElasticTransform(sigma=0), "sigma above 0, got alpha=34.0, sigma=0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_images():
    rng = np.random.default_rng(0)
    with pytest.raises(
        TypeError, match=r"RandomAffine: .* got uint8; put a Scale before it, e.g. C"
    ):
        RandomAffine(5)((np.zeros((2, 4, 4, 1), "uint8"),), rng)
    with pytest.raises(
        ValueError, match=r"\(N, H, W, C\), got \(2, 4, 4\); give grey images a last"
    ):
        Compose([ElasticTransform()])((np.zeros((2, 4, 4)),), rng)
    with pytest.raises(TypeError, match="Compose: expected transforms .* got 3"):
        Compose([AFFINE, 3])
