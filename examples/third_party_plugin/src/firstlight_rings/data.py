"""The data set: two noisy circles, one inside the other."""

import numpy as np

import firstlight as fl


def load_rings(*, samples: int = 600, noise: float = 0.1, seed: int = 0):
    """Return points in the plane; the class is the circle that they lie near.

    Parameters
    ----------
    samples : int
        Of all splits together: 60 % train, 20 % validation, 20 % test.
    noise : float
        Standard deviation of the distance from the circle; the radii are 1 and 2.
    seed : int
        Seed of the points.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=samples)  # (N,)
    radius = 1 + y + noise * rng.standard_normal(samples)  # (N,)
    angle = rng.uniform(0, 2 * np.pi, samples)  # (N,)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)  # (N, 2)
    splits = np.split(np.arange(samples), [samples * 6 // 10, samples * 8 // 10])
    train, val, test = ((x[indices], y[indices]) for indices in splits)
    return fl.DataSplits(train, val, test, name="rings", classes=["inner", "outer"])
