"""Least squares against Bishop's tables, sweeps, and gradient descent against the closed form."""

import numpy as np
import pytest

from firstlight import Trainer
from firstlight.callbacks import LRSchedule
from firstlight.datasets import load
from firstlight.datasets.prml import T, X
from firstlight.models import Polynomial
from firstlight.models.curve_fitting import bias_variance, degree_sweep, learning_curve, ridge_sweep
from firstlight.models.least_squares import least_squares, powers, rms_error

TABLE_1_1 = {  # Bishop, 2006, page 8; the column of degree 3 is headed M = 6 in some printings
    0: [0.19],
    1: [0.82, -1.27],
    3: [0.31, 7.99, -25.43, 17.37],
    9: [0.35, 232.37, -5321.83, 48568.31, -231639.30, 640042.26, -1061800.52, 1042400.18,
        -557682.99, 125201.43],
}  # fmt: skip
# The targets are published with six decimals, and degree 9 goes through all of them: it shows what
# was cut off. These numbers, in units of the sixth decimal, are all below the half that rounding
# hides, and give the table to the last digit.
CUT_OFF = [1.079198, -1.079198, 1.079198, -1.079198, -0.2136815]
CUT_OFF = 0.1 * np.array([*CUT_OFF, 1.079198, -1.079198, 1.079198, -1.079198, 1.079198])
GRID = np.linspace(0, 1, 100)
SINE = np.sin(2 * np.pi * GRID)


@pytest.mark.parametrize("method", ["svd", "qr"])
@pytest.mark.parametrize("degree", TABLE_1_1)
def test_table_1_1_to_the_printed_digits(degree, method):
    targets = T - 1e-6 * CUT_OFF
    np.testing.assert_array_equal(targets.round(6), T)
    w = least_squares(powers(X, degree), targets, method=method)
    np.testing.assert_array_equal(w.round(2), TABLE_1_1[degree])


@pytest.mark.parametrize("degree", TABLE_1_1)
def test_table_1_1_from_the_published_targets(degree):
    w = least_squares(powers(X, degree), T)
    np.testing.assert_allclose(w, TABLE_1_1[degree], rtol=3e-7, atol=0.005)


def test_table_1_2_has_another_ridge_than_it_says():
    phi = powers(X, 9)
    w = least_squares(phi, T, ridge=1.0)  # ln λ = 0 by eq. 1.4
    assert w[0].round(2) == 0.46
    assert rms_error(w, X, T) == pytest.approx(0.4647, abs=5e-5)
    printed = [0.13, -0.05, -0.06, -0.05, -0.03, -0.02, -0.01, 0.0, 0.0, 0.01]
    np.testing.assert_allclose(least_squares(phi, T, ridge=10.0), printed, atol=0.0051)  # N λ
    w = least_squares(phi, T, ridge=np.exp(-18))
    np.testing.assert_allclose(w[:4], [0.35, 5.77, -14.97, 29.86], atol=0.005)
    assert rms_error(w, GRID, SINE) == pytest.approx(0.2104, abs=5e-5)


@pytest.mark.parametrize("ridge", [0.0, 1e-8, 1e-3, 2.0])
def test_qr_and_svd_agree_and_the_gradient_is_zero(ridge):
    phi = powers(X, 5)
    w = least_squares(phi, T, ridge=ridge, method="qr")
    np.testing.assert_allclose(w, least_squares(phi, T, ridge=ridge), rtol=1e-8)
    np.testing.assert_allclose(phi.T @ (phi @ w - T) + ridge * w, 0, atol=1e-10)


def test_more_weights_than_points():
    phi = powers(X[:4], 7)
    w = least_squares(phi, T[:4])
    np.testing.assert_allclose(w, np.linalg.pinv(phi) @ T[:4], atol=1e-8)  # the shortest
    with pytest.raises(ValueError, match=r'columns depend on each other \(4 samples\).*"svd"'):
        least_squares(phi, T[:4], method="qr")
    least_squares(phi, T[:4], method="qr", ridge=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [1.0, 2.0]), "expected phi of shape"),
        (([1.0], [1.0]), "expected phi of shape"),
        (([[1.0]], [[1.0, 2.0]]), "expected one number a sample"),
        (([[np.nan]], [1.0]), "expected finite numbers"),
    ],
)
def test_what_cannot_be_fitted(arguments, message):
    with pytest.raises(ValueError, match=message):
        least_squares(*arguments)


@pytest.mark.parametrize("bad", [{"ridge": -1}, {"ridge": np.nan}, {"method": "lu"}])
def test_bad_settings(bad):
    with pytest.raises(ValueError, match="least_squares: expected"):
        least_squares(powers(X, 1), T, **bad)
    with pytest.raises(ValueError, match="degree of 0 or more"):
        powers(X, -1)


def test_the_u_curve():
    sweep = degree_sweep((X, T), (GRID, SINE))
    assert (np.diff(sweep.train) < 1e-9).all()  # training error only falls
    assert 3 <= sweep.values[sweep.best] <= 8
    assert sweep.val[9] > 2 * sweep.val[sweep.best]
    sweep = ridge_sweep((X, T), (GRID, SINE), np.arange(-40, 3))
    assert (np.diff(sweep.train) > -1e-9).all()
    assert 0 < sweep.best < len(sweep.values) - 1


def test_more_data_cures():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 300)
    t = np.sin(2 * np.pi * x) + rng.normal(0, 0.3, 300)
    train, val = learning_curve((x, t), (GRID, SINE), [15, 50, 200], degree=9, rng=rng)
    assert train[0] < train[1] < train[2]
    assert val[0] > val[1] > val[2]
    with pytest.raises(ValueError, match="expected sizes from 1 to 300, got 301"):
        learning_curve((x, t), (GRID, SINE), [301], degree=3, rng=rng)


def test_bias_falls_and_variance_rises_with_the_degree():
    def fit(degree):
        rng = np.random.default_rng(0)
        return bias_variance(lambda x: np.sin(2 * np.pi * x), X, X, degree=degree, rng=rng)

    low, high = fit(1), fit(9)
    assert low.bias2 > 50 * high.bias2
    assert low.variance < high.variance / 4
    # At the points themselves, the variance of least squares is noise² (M + 1) / N.
    assert low.variance == pytest.approx(0.3**2 * 2 / 10, rel=0.1)
    assert high.variance == pytest.approx(0.3**2, rel=0.1)


@pytest.mark.parametrize(
    ("degree", "ridge", "epochs"), [(0, 0.0, 300), (1, 0.0, 600), (3, 0.0, 1500), (3, 0.05, 1500)]
)
def test_gradient_descent_finds_the_closed_form(degree, ridge, epochs, quiet):
    data = load("prml")
    model = Polynomial(degree, weight_decay=2 * ridge / 10)
    schedule = LRSchedule("cosine", eta_min=1e-5)
    Trainer(max_epochs=epochs, callbacks=[schedule], **quiet).fit(model, data)
    phi = np.hstack([np.ones((10, 1)), model.features(X[:, None])[:, : degree or 0]])
    w = least_squares(phi, T, ridge=ridge)
    found = np.append(model.line.bias.data, model.line.weight.data[0])[: degree + 1]
    np.testing.assert_allclose(found, w, atol=2e-3)
    if not ridge:
        exact = least_squares(powers(X, degree), T)
        np.testing.assert_allclose(model.coefficients(), exact, atol=0.05)


def test_coefficients_are_those_of_the_model():
    model = Polynomial(6)
    y = model(GRID[:, None].astype("float32"))[:, 0]
    np.testing.assert_allclose(powers(GRID, 6) @ model.coefficients(), y, atol=1e-5)
    assert Polynomial(0).coefficients().shape == (1,)
