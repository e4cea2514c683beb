import math

import numpy as np
import pytest

from firstlight.support import special

EXTREMES = [0.0, -0.0, 1e-30, 0.5, -0.5, 6.0, -6.0, 1e4, -1e4, np.inf, -np.inf]
X = np.concatenate([np.linspace(-8, 8, 20001), EXTREMES])


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-15), ("float32", 1e-6)])
def test_erf(dtype, error):
    x = X.astype(dtype)
    y = special.erf(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, [math.erf(value) for value in x], rtol=0, atol=error)
    np.testing.assert_array_equal(special.erf(-x), -y)


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-15), ("float32", 3e-7)])
def test_sigmoid(dtype, error):
    x = X.astype(dtype)
    y = special.sigmoid(x)
    assert y.dtype == dtype
    expected = [1 / (1 + math.exp(-value)) if value > -700 else 0.0 for value in x]
    inner = np.abs(x) < 80
    np.testing.assert_allclose(y[inner], np.array(expected)[inner], rtol=error)
    np.testing.assert_allclose(y, expected, rtol=0, atol=error)


@pytest.mark.parametrize("name", ["erf", "sigmoid"])
def test_nan_stays_nan_and_x_stays_x(name):
    x = np.array([np.nan, 1.0])
    y = getattr(special, name)(x)
    assert np.isnan(y[0])
    assert not np.isnan(y[1])
    np.testing.assert_array_equal(x, [np.nan, 1.0])
