"""Baselines: simple methods of scikit-learn on the data of a network."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.metrics import R2, Accuracy, bootstrap
from firstlight.runs.baseline_results import NETWORK, BaselineResults, Row
from firstlight.support.array import Array
from firstlight.support.extras import require


def baselines(splits: DataSplits, split: str = "test", *, seed: int = 0) -> BaselineResults:
    """Fit majority, k-NN, logistic regression and a random forest to the training samples.

    For a regression these are the mean, k-NN, least squares and a forest. They get what a network
    gets: scaled samples, as one row each; there is no augmentation. If the targets are one 0 or 1 a
    sample, they are labels of two classes.

    Parameters
    ----------
    splits : DataSplits
        With one label for each sample, or numbers.
    split : {"train", "val", "test"}
        Samples of the metric: accuracy, or R².
    seed : int
        Of the forest.

    Returns
    -------
    BaselineResults
        Rows in the order above.

    Raises
    ------
    MissingPackageError
        scikit-learn is not installed.
    ValueError
        The data have no targets, or one for each token or pixel.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> from firstlight.tools.baselines import baselines
    >>> found = baselines(load("digits"))
    >>> [(row.label, round(row.value, 2)) for row in found.rows][:2]
    [('majority class', 0.1), ('k-NN, k = 5', 0.99)]
    """
    require("a baseline", "sklearn", extra="sklearn")
    x, y = _arrays(splits, "train")
    tested, target = _arrays(splits, split)
    classes = _classes(splits)
    metric = "r2" if classes is None else "acc"
    found = BaselineResults(splits.name, split, metric, len(target), len(y))
    for name, (label, method) in _methods(metric, seed, len(y)).items():
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of iterations that did not converge
            method.fit(x, y)
        seconds = time.perf_counter() - started
        predicted = _predicted(method, tested, classes)
        found.rows.append(_row(name, label, predicted, target, seconds))
    return found


def network_row(
    splits: DataSplits,
    predicted: Array,
    label: str,
    seconds: float,
    results: BaselineResults,
    *,
    logits: bool = False,
) -> Row | None:
    """Return the row of a network, with its predictions for the same samples.

    None if its predictions are of another shape: no score for each class. ``logits`` is for those
    of a `BCEWithLogitsLoss`, which are above 0 for the class 1, and no numbers to compare with.
    """
    _, target = _arrays(splits, results.split)
    if results.metric == "acc":
        if splits.classes is None and getattr(predicted, "size", None) == len(target):
            score = predicted.reshape(-1)
            predicted = np.stack([np.full_like(score, 0.0 if logits else 0.5), score], axis=1)
        expected = (len(target), len(_classes(splits) or ()))
        if getattr(predicted, "shape", None) != expected:
            return None
    elif logits or getattr(predicted, "size", None) != target.size:
        return None
    else:
        predicted = predicted.reshape(target.shape)
    return _row(NETWORK, label, predicted, target, seconds)


def _classes(splits):
    """Return the classes of data; those of targets 0 and 1 are "0" and "1"."""
    if splits.classes is not None or splits.train is None:
        return splits.classes
    _, y = _batch(splits, "train")
    return ["0", "1"] if y.size == len(y) and set(np.unique(y)) == {0, 1} else None


def _arrays(splits, split):
    """Return the scaled samples of a split as rows (N, D), and their targets."""
    x, y = _batch(splits, split)
    if splits.classes is None:
        y = y.reshape(len(y), -1)
        y = y[:, 0] if y.shape[1] == 1 else y
        y = y if _classes(splits) is None else (y > 0.5).astype("int64")
    return x.reshape(len(x), -1), y


def _batch(splits, split):
    """Return the scaled samples of a split, and their targets."""
    data = getattr(splits, split)
    batch = data[np.arange(len(data))]
    who = f"a baseline on {splits.name}"
    if splits.tokenizer is not None or len(batch) < 2:
        raise ValueError(f"{who}: expected data with a label or a number for each sample")
    x, y = batch[0], batch[1]
    if splits.classes is not None and y.ndim != 1:
        raise ValueError(
            f"{who}: expected one label for each sample, got labels of shape {y.shape}"
        )
    return x, y


def _methods(metric: str, seed: int, samples: int) -> dict[str, tuple[str, Any]]:
    """Return label and estimator by name."""
    from sklearn import dummy, ensemble, linear_model, neighbors

    k = min(5, samples)
    trees: dict[str, Any] = {"random_state": seed, "n_jobs": -1}
    if metric == "r2":
        return {
            "mean": ("mean of the target", dummy.DummyRegressor()),
            "knn": (f"k-NN, k = {k}", neighbors.KNeighborsRegressor(k)),
            "linear": ("least squares", linear_model.LinearRegression()),
            "forest": ("random forest, 100 trees", ensemble.RandomForestRegressor(**trees)),
        }
    logistic = linear_model.LogisticRegression(max_iter=200)
    return {
        "majority": ("majority class", dummy.DummyClassifier(strategy="most_frequent")),
        "knn": (f"k-NN, k = {k}", neighbors.KNeighborsClassifier(k)),
        "logistic": ("logistic regression", logistic),
        "forest": ("random forest, 100 trees", ensemble.RandomForestClassifier(**trees)),
    }


def _predicted(method, x, classes):
    """Return predictions of numbers, or scores for all classes, also those without a sample."""
    if classes is None:
        return method.predict(x)
    scores = np.zeros((len(x), len(classes)))
    scores[:, method.classes_] = method.predict_proba(x)
    return scores


def _row(name, label, predicted, target, seconds):
    metric = (Accuracy if predicted.ndim > target.ndim else R2)()
    terms = metric.terms(predicted, target)  # (N, D)
    value = float(metric.of_sums(terms.sum(axis=0)))
    of_classes = isinstance(metric, Accuracy)
    (smoothed,) = bootstrap.smoothed([terms]) if of_classes else [terms]
    rng = np.random.default_rng([2026, 0])  # the draws of firstlight.tools.significance
    _, drawn = bootstrap.values_of_terms(metric, [smoothed], rng)
    low, high = bootstrap.interval(drawn)
    low, high = (max(low, 0.0), min(high, 1.0)) if of_classes else (low, high)
    return Row(name, label, value, low, high, seconds)
