"""ROC and precision-recall curves have the points of scikit-learn, and show them."""

import numpy as np
import pytest
from drawn_figures import NAMES, PROBABILITIES, TARGET

from firstlight.tools import figures

RNG = np.random.default_rng(0)
CASES = {
    "distinct": (RNG.random(200) < 0.3, RNG.random(200)),
    "ties": (RNG.random(300) < 0.5, RNG.integers(0, 7, 300) / 7),
    "perfect": (np.arange(20) > 9, np.arange(20.0)),
    "wrong": (np.arange(20) > 9, -np.arange(20.0)),
    "one score": (np.arange(4) > 1, np.ones(4)),
    "two samples": (np.array([True, False]), np.array([0.2, 0.7])),
}


@pytest.mark.parametrize("case", CASES)
def test_points_are_those_of_scikit_learn(case):
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    positive, scores = CASES[case]
    for ours, theirs in zip(
        figures.roc_points(positive, scores), metrics.roc_curve(positive, scores), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    expected = metrics.precision_recall_curve(positive, scores, drop_intermediate=True)
    found = figures.precision_recall_points(positive, scores)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    area = metrics.average_precision_score(positive, scores)
    assert figures.average_precision(positive, scores) == pytest.approx(area, abs=1e-12)


def test_a_hand_computed_curve():
    positive, scores = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    fpr, tpr, thresholds = figures.roc_points(positive, scores)
    assert fpr.tolist() == [0, 0, 0.5, 0.5, 1]
    assert tpr.tolist() == [0, 0.5, 0.5, 1, 1]
    assert thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.1]
    precision, recall, _ = figures.precision_recall_points(positive, scores)
    np.testing.assert_allclose(precision, [1 / 2, 2 / 3, 1 / 2, 1, 1])
    np.testing.assert_allclose(recall, [1, 1, 0.5, 0.5, 0])


def drawn(figure):
    lines = figure.axes[0].get_lines()
    return {n.get_label(): n.get_xydata() for n in lines if not n.get_label().startswith("_")}


def test_each_class_has_its_curve_against_all_others():
    lines = drawn(figures.roc_curves(TARGET, PROBABILITIES, NAMES))
    assert [label.partition(":")[0] for label in lines] == NAMES
    for k, line in enumerate(lines.values()):
        fpr, tpr, _ = figures.roc_points(k == TARGET, PROBABILITIES[:, k])
        np.testing.assert_array_equal(line, np.stack([fpr, tpr], axis=1))
    lines = drawn(figures.precision_recall_curves(TARGET, PROBABILITIES, NAMES))
    for k, line in enumerate(lines.values()):
        precision, recall, _ = figures.precision_recall_points(k == TARGET, PROBABILITIES[:, k])
        np.testing.assert_array_equal(line, np.stack([recall, precision], axis=1))


def test_of_two_classes_there_is_one_curve():
    target, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    figure = figures.roc_curves(target, np.stack([1 - p, p], axis=1), ["no", "yes"])
    assert list(drawn(figure)) == ["yes: 1.000"]
    assert figure.get_suptitle() == "AUC 1.000 (the corner)"
    assert figure.axes[0].get_xlim()[1] == 0.2


def test_of_many_classes_the_worst_have_names():
    target = np.arange(60) % 15
    p = RNG.random((60, 15)) + 2 * np.eye(15)[target] * (np.arange(15) > 9)
    figure = figures.roc_curves(target, p, list(map(str, range(15))))
    named = [int(label.partition(":")[0]) for label in drawn(figure)]
    assert named == list(range(10))


def test_ignored_samples_and_classes_without_samples_are_left_out():
    target = np.where(TARGET == 2, -100, TARGET)
    lines = drawn(figures.roc_curves(target, PROBABILITIES, NAMES))
    assert [label.partition(":")[0] for label in lines] == NAMES[:2]
    kept = target >= 0
    fpr, tpr, _ = figures.roc_points(target[kept] == 0, PROBABILITIES[kept, 0])
    np.testing.assert_array_equal(next(iter(lines.values())), np.stack([fpr, tpr], axis=1))


@pytest.mark.parametrize("draw", [figures.roc_curves, figures.precision_recall_curves])
@pytest.mark.parametrize(
    ("target", "probabilities", "error", "message"),
    [
        (np.zeros(4, int), np.ones((4, 3)), ValueError, "samples of two classes or more, got th"),
        (np.zeros(0, int), np.ones((0, 3)), ValueError, "one or more samples, got none"),
        (np.zeros(4, int), np.ones((4, 2)), ValueError, r"\(N, 3\), as there are 3 names"),
        (np.zeros(4, int), np.ones((5, 3)), ValueError, r"got shapes \(4,\) and \(5, 3\)"),
        (np.arange(4), np.ones((4, 3)), ValueError, "classes from 0 to 2, got 0 to 3"),
        (np.arange(3), np.full((3, 3), np.nan), ValueError, "got 3 samples with others"),
        (np.zeros(4), np.ones((4, 3)), TypeError, "expected integer class labels, got float64"),
    ],
)
def test_bad_input(draw, target, probabilities, error, message):
    with pytest.raises(error, match=message) as raised:
        draw(target, probabilities, NAMES)
    assert str(raised.value).startswith(f"{draw.__name__}: ")


@pytest.mark.parametrize(
    ("positive", "scores", "message"),
    [
        ([True, True], [0.1, 0.2], "positive and negative samples, got 2 and 0"),
        ([], [], "one or more samples"),
        ([True, False], [0.1, np.nan], "expected finite scores, got 1 not"),
        ([True, False], [0.1], r"shapes \(2,\) and \(1,\)"),
    ],
)
def test_points_of_bad_input(positive, scores, message):
    with pytest.raises(ValueError, match=message):
        figures.roc_points(np.array(positive, bool), np.array(scores))
    with pytest.raises(ValueError, match="expected positive samples, got none"):
        figures.precision_recall_points(np.zeros(2, bool), np.ones(2))
