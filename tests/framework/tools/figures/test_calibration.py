"""Reliability diagrams have the bins of scikit-learn, and the error of Guo et al."""

import numpy as np
import pytest
from drawn_figures import NAMES, PROBABILITIES, TARGET

from firstlight.tools import figures

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bins", [1, 4, 10, 15])
def test_bins_are_those_of_scikit_learn(bins):
    module = pytest.importorskip("sklearn.calibration", reason="compares with scikit-learn")
    confidence = np.r_[RNG.random(300), 0.0, 1.0, np.linspace(0, 1, 11)]  # borders, too
    right = confidence > 0.6 * RNG.random(len(confidence))
    share, mean = module.calibration_curve(right, confidence, n_bins=bins)
    found = figures.calibration_bins(right, confidence, bins)
    np.testing.assert_allclose(found["accuracy"], share, rtol=1e-12)
    np.testing.assert_allclose(found["confidence"], mean, rtol=1e-12)
    assert found["samples"].sum() == len(confidence)


def test_the_error_is_the_mean_gap_of_the_samples():
    right, confidence = np.array([True, True, False, False]), np.array([0.9, 0.8, 0.7, 0.2])
    found = figures.calibration_bins(right, confidence, bins=2)
    assert found["samples"].tolist() == [1, 3]
    np.testing.assert_allclose(found["accuracy"], [0, 2 / 3])
    error = figures.expected_calibration_error(right, confidence, bins=2)
    assert error == pytest.approx(1 / 4 * 0.2 + 3 / 4 * (0.8 - 2 / 3))


def test_the_figure_shows_the_bins_of_the_predicted_class():
    figure = figures.calibration(TARGET, PROBABILITIES, NAMES, bins=5)
    right, confidence = PROBABILITIES.argmax(axis=1) == TARGET, PROBABILITIES.max(axis=1)
    expected = figures.calibration_bins(right, confidence, 5)
    table = figures.numbers(figure)["calibration"]
    for name, column in expected.items():
        np.testing.assert_array_equal(table[name], column)
    error = figures.expected_calibration_error(right, confidence, 5)
    assert figure.get_suptitle() == f"Expected calibration error {error:.2%}"
    assert (table["interval low"] <= table["accuracy"]).all()
    assert ((table["interval low"] >= 0) & (table["interval high"] <= 1 + 1e-12)).all()
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == expected["samples"].tolist()


@pytest.mark.parametrize(
    ("right", "confidence", "bins", "message"),
    [
        ([], [], 10, "one or more predictions"),
        ([True], [0.5, 0.6], 10, r"shapes \(2,\) and \(1,\)"),
        ([True], [1.5], 10, "from 0 to 1, got 1.5 to 1.5; give probabilities"),
        ([True], [float("nan")], 10, "from 0 to 1, got nan"),
        ([True], [0.5], 0, "one or more bins, got 0"),
    ],
)
def test_bad_input(right, confidence, bins, message):
    with pytest.raises(ValueError, match=message):
        figures.calibration_bins(np.array(right, bool), np.array(confidence), bins)


def test_scores_are_no_probabilities():
    with pytest.raises(ValueError, match="expected confidences from 0 to 1, got .*softmax"):
        figures.calibration(TARGET, 10 * PROBABILITIES, NAMES)
    with pytest.raises(ValueError, match="calibration: expected one or more samples, got none"):
        figures.calibration(np.full(60, -100), PROBABILITIES, NAMES)
