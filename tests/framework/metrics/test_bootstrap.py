"""The bootstrap's draws, intervals over seeds, and McNemar's exact test."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from firstlight import metrics
from firstlight.metrics import bootstrap
from firstlight.metrics.mcnemar import mcnemar

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", ["right or wrong", "numbers"])
def test_sums_are_distributed_like_those_of_drawn_samples(kind):
    rng = np.random.default_rng(0)
    n = 150
    first = rng.random(n) < 0.8 if kind == "right or wrong" else rng.gamma(2.0, size=n)
    terms = np.stack([first, np.ones(n)], axis=1).astype("float64")
    found = bootstrap.sums(terms, 20_000, rng)
    index = rng.integers(n, size=(20_000, n))
    expected = terms[index].sum(axis=1)
    assert (found[:, 1] == n).all()
    quantiles = [0.025, 0.25, 0.5, 0.75, 0.975]
    spread = expected[:, 0].std()
    off = np.quantile(found[:, 0], quantiles) - np.quantile(expected[:, 0], quantiles)
    assert np.abs(off).max() < 0.15 * spread + 1 * (kind == "right or wrong")
    assert found[:, 0].std() == pytest.approx(spread, rel=0.03)


def test_models_are_tested_on_the_same_draws():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 80)
    scores = rng.standard_normal((80, 3))
    for metric in (metrics.F1(), metrics.AUC(), metrics.Perplexity()):
        estimates, drawn = bootstrap.values(metric, [(scores, y), (scores, y)], rng)
        np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-12)
        metric.update(scores, y)
        np.testing.assert_allclose(estimates, metric.compute(), rtol=1e-12)
        low, high = bootstrap.interval(drawn[0])
        assert low < estimates[0] < high


@pytest.mark.parametrize("classes", [2, 4])
def test_the_weighted_area_is_that_of_repeated_samples(classes):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 50)
    scores = rng.standard_normal((50, classes)).round(1)
    drawn = bootstrap.weights(50, 20, rng)
    assert (drawn.sum(axis=1) == 50).all()
    s, positive = metrics.auc.class_scores(scores, y)
    for weights, found in zip(drawn, metrics.auc.area(s, positive, drawn), strict=True):
        again = metrics.AUC()
        again.update(np.repeat(scores, weights, axis=0), np.repeat(y, weights))
        assert found == pytest.approx(again.compute(), rel=1e-12)


def test_a_metric_that_cannot_be_computed_of_draws_is_refused():
    class Last(metrics.Metric):
        pass

    with pytest.raises(TypeError, match="expected a SumMetric or AUC, got Last"):
        bootstrap.values(Last(), [(np.zeros((2, 2)), np.zeros(2, int))], np.random.default_rng(0))


def test_several_seeds_widen_an_interval_and_one_does_not():
    rng = np.random.default_rng(0)
    drawn = 0.8 + 0.01 * rng.standard_normal((3, 10_000))
    one = np.diff(bootstrap.interval(bootstrap.over_seeds(np.array([0.8]), drawn[:1], rng)))
    assert one == pytest.approx(4 * 0.01, rel=0.05)
    spread = np.array([0.7, 0.8, 0.9])
    three = np.diff(bootstrap.interval(bootstrap.over_seeds(spread, drawn, rng)))
    assert three == pytest.approx(2 * 4.303 * 0.1 / 3**0.5, rel=0.05)  # t of 2 degrees of freedom


def test_no_mistake_does_not_give_an_interval_without_length():
    rng = np.random.default_rng(0)
    terms = bootstrap.smoothed([np.ones((50, 2))])
    low, high = bootstrap.interval(bootstrap.values_of_terms(metrics.Accuracy(), terms, rng)[1][0])
    assert 0.88 < low < 0.95
    assert high == 1


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (6, 0), (5, 4), (40, 20), (700, 640)])
def test_mcnemar(counts):
    stats = pytest.importorskip("scipy.stats")
    a = np.repeat([True, False, True], [counts[0], counts[1], 30])
    b = np.repeat([False, True, True], [counts[0], counts[1], 30])
    total = sum(counts)
    expected = stats.binomtest(counts[0], total).pvalue if total else 1
    assert mcnemar(a, b) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(b, a) == mcnemar(a, b)


def simulation():
    """Return benchmarks/interval_coverage.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "interval_coverage", ROOT / "benchmarks" / "interval_coverage.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        "accuracy 0.9, 300 samples",
        "accuracy 0.98, 300 samples",
        "difference 0.90 - 0.87, 300 samples",
        "difference 0.97 - 0.96, 1,000 samples",
        "macro F1, 400 samples",
        "difference of errors (MAE), 200 samples",
        "3 + 3 seeds, spread 0.01",
        "3 + 3 seeds, spread 0.03",
        "5 + 5 seeds, spread 0.03",
    ],
)
def test_95_percent_intervals_hold_the_truth_in_93_to_97_percent(case):
    assert 0.93 <= simulation().coverage(case, 1000) <= 0.97


@pytest.mark.slow
def test_intervals_that_draw_two_seeds_with_replacement_are_too_short():
    assert simulation().coverage("2 + 2 seeds, spread 0.03, drawn seeds", 300) < 0.9
