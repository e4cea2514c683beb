"""Resampling and affine maps against PyTorch's affine_grid and grid_sample."""

import numpy as np
import pytest

from firstlight.data.augment import RandomAffine
from firstlight.data.augment.warps import resample

torch = pytest.importorskip("torch")


class Highest:
    """In the place of a generator: always the upper end of the range."""

    def uniform(self, low, high, size):
        return np.full(size, high)


def sampled(x, places):
    """Let PyTorch read images at places (N, H, W, 2) in its coordinates, -1 ... 1."""
    found = torch.nn.functional.grid_sample(
        torch.tensor(x).permute(0, 3, 1, 2), places, align_corners=False
    )
    return found.permute(0, 2, 3, 1).numpy()


def test_resample():
    rng = np.random.default_rng(0)
    x = rng.random((4, 9, 13, 3), dtype="float32")
    rows = rng.uniform(-3, 12, (4, 9, 13)).astype("float32")  # beyond the border, too
    columns = rng.uniform(-3, 16, (4, 9, 13)).astype("float32")
    places = np.stack([(2 * columns + 1) / 13 - 1, (2 * rows + 1) / 9 - 1], axis=-1)
    expected = sampled(x, torch.tensor(places))
    np.testing.assert_allclose(resample(x, rows, columns), expected, atol=1e-5)


def test_affine():
    rng = np.random.default_rng(1)
    x = rng.random((1, 16, 16, 1), dtype="float32")
    angle, alpha, beta, scale, shift = 25.0, 12.0, -7.0, 1.2, (0.1, 0.2)
    transform = RandomAffine((angle, angle), shift, (scale, scale), (alpha, alpha, beta, beta))
    (moved,) = transform((x,), Highest())
    t, a, b = np.radians([angle, alpha, beta])
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    m = scale * turn @ np.array([[1, 0], [-np.tan(b), 1]]) @ np.array([[1, -np.tan(a)], [0, 1]])
    inverse = np.linalg.inv(m)
    theta = np.concatenate([inverse, -inverse @ (2 * np.array(shift))[:, None]], axis=1)[None]
    places = torch.nn.functional.affine_grid(
        torch.tensor(theta.astype("float32")), (1, 1, 16, 16), align_corners=False
    )
    np.testing.assert_allclose(moved, sampled(x, places), atol=1e-5)
