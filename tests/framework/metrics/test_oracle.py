"""Every metric against scikit-learn's, on random cases: absent classes, ties, few samples."""

import copy
import pickle
import warnings

import numpy as np
import pytest

from firstlight import metrics

sklearn = pytest.importorskip("sklearn.metrics")
AVERAGES = ("macro", "micro", "weighted")
SEEDS = range(60)


def classification(seed):
    """Random scores and labels: often few samples, absent classes, equal scores."""
    rng = np.random.default_rng(seed)
    samples, classes = int(rng.choice([1, 2, 3, 7, 40, 300])), int(rng.integers(2, 8))
    scores = rng.standard_normal((samples, classes)) * rng.choice([0.3, 5])
    if seed % 3 == 0:
        scores = scores.round()  # ties
    present = rng.choice(classes, size=rng.integers(1, classes + 1), replace=False)
    labels = rng.choice(present, size=samples)
    return scores.astype(rng.choice(["float32", "float64"])), labels


def regression(seed):
    """Random numbers, some of several outputs, of a large mean, or constant."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.choice([1, 2, 9, 250])), *((3,) if seed % 2 else ()))
    y = rng.standard_normal(shape) + rng.choice([0, 3, 1e4])
    x = y + rng.standard_normal(shape) * rng.choice([0.1, 1])
    if seed % 5 == 0:
        y = np.ones_like(y)
        x = y if seed % 2 else x
    dtype = rng.choice(["float32", "float64"])
    return x.astype(dtype), y.astype(dtype)


def in_parts(metric, prediction, target, seed):
    """Update copies of a metric batch by batch, as several ranks do, and return the merged."""
    rng = np.random.default_rng(seed)
    ranks = [copy.deepcopy(metric) for _ in range(3)]
    start = 0
    while start < len(target):
        stop = start + int(rng.integers(1, 20))
        rank = ranks[rng.integers(3)]  # some ranks have no batch
        rank.update(prediction[start:stop], target[start:stop])
        start = stop
    first, *others = [pickle.loads(pickle.dumps(rank.to_host())) for rank in ranks]
    for other in others:
        first.merge(other)
    return first


def agree(metric, expected, prediction, target, seed):
    whole = copy.deepcopy(metric)
    whole.update(prediction, target)
    for computed in (whole.compute(), in_parts(metric, prediction, target, seed).compute()):
        assert isinstance(computed, float)
        np.testing.assert_allclose(computed, expected, rtol=1e-12, atol=1e-12)


def quietly(function, *arguments, **options):
    """Call scikit-learn's function without its warnings of cases that are not defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_predicted_classes(seed):
    scores, y = classification(seed)
    p = scores.argmax(axis=1)
    agree(metrics.Accuracy(), sklearn.accuracy_score(y, p), scores, y, seed)
    agree(metrics.MatthewsCorrelation(), quietly(sklearn.matthews_corrcoef, y, p), scores, y, seed)
    balanced = quietly(sklearn.balanced_accuracy_score, y, p)
    agree(metrics.BalancedAccuracy(), balanced, scores, y, seed)
    for kind, function in {
        metrics.Precision: sklearn.precision_score,
        metrics.Recall: sklearn.recall_score,
        metrics.F1: sklearn.f1_score,
    }.items():
        for average in AVERAGES:
            expected = function(y, p, average=average, zero_division=0)
            agree(kind(average), expected, scores, y, seed)
        default = "binary" if scores.shape[1] == 2 else "macro"
        agree(kind(), function(y, p, average=default, zero_division=0), scores, y, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_top_k(seed):
    scores, y = classification(seed)
    for k in (1, 2, 5):
        classes = scores.shape[1]
        if classes == 2:  # scikit-learn takes the score of class 1 alone then
            continue
        expected = quietly(sklearn.top_k_accuracy_score, y, scores, k=k, labels=range(classes))
        agree(metrics.TopK(k), expected, scores, y, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc(seed):
    scores, y = classification(seed)
    x = scores.astype("float64")
    if scores.shape[1] == 2:
        expected = quietly(sklearn.roc_auc_score, y, x[:, 1] - x[:, 0], labels=[0, 1])
        if len(set(y)) < 2:
            expected = np.nan
    else:
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        labels = np.arange(scores.shape[1])
        expected = quietly(sklearn.roc_auc_score, y, p, multi_class="ovr", labels=labels)
    agree(metrics.AUC(), expected, scores, y, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_perplexity(seed):
    scores, y = classification(seed)
    x = scores.astype("float64")
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = sklearn.log_loss(y, p, labels=range(scores.shape[1]))
    agree(metrics.Perplexity(), np.exp(loss), scores, y, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_numbers(seed):
    x, y = regression(seed)
    wide = x.astype("float64"), y.astype("float64")
    agree(metrics.MAE(), sklearn.mean_absolute_error(*wide[::-1]), x, y, seed)
    agree(metrics.MSE(), sklearn.mean_squared_error(*wide[::-1]), x, y, seed)
    if x.ndim == 1:  # scikit-learn takes the mean of each output's root
        agree(metrics.RMSE(), sklearn.root_mean_squared_error(*wide[::-1]), x, y, seed)
    agree(metrics.R2(), quietly(sklearn.r2_score, *wide[::-1]), x, y, seed)


@pytest.mark.parametrize("seed", range(0, 60, 7))
def test_sums_of_terms_are_the_metric(seed):
    scores, y = classification(seed)
    numbers = regression(seed)
    for metric in (metrics.F1(), metrics.TopK(2), metrics.MatthewsCorrelation()):
        metric.update(scores, y)
        sums = metric.terms(scores, y).sum(axis=0)
        np.testing.assert_allclose(metric.of_sums(sums), metric.compute(), rtol=1e-12)
        np.testing.assert_array_equal(metric.of_sums(np.stack([sums, 2 * sums])).shape, (2,))
    for metric in (metrics.R2(), metrics.RMSE()):
        metric.update(*numbers)
        sums = metric.terms(*numbers).sum(axis=0)
        np.testing.assert_allclose(metric.of_sums(sums), metric.compute(), rtol=1e-9)
