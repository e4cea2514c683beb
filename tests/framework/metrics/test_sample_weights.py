"""Metrics of samples with weights: scikit-learn's ``sample_weight``, and a whole Trainer."""

import copy
import warnings

import numpy as np
import pytest
from nets import FloatNet

import firstlight as fl
from firstlight import Trainer, metrics, nn

SEEDS = range(20)


def weights(seed, count):
    rng = np.random.default_rng(seed)
    return rng.random(count) * (rng.random(count) > 0.2)  # some are 0


def merged(metric, prediction, target, w, seed):
    """Update two copies by turns, and return the merged one."""
    rng, start = np.random.default_rng(seed), 0
    ranks = [copy.deepcopy(metric), copy.deepcopy(metric)]
    while start < len(target):
        part = slice(start, start + int(rng.integers(1, 20)))
        ranks[rng.integers(2)].update(prediction[part], target[part], sample_weight=w[part])
        start = part.stop
    ranks[0].merge(ranks[1])
    return ranks[0].compute()


@pytest.mark.parametrize("seed", SEEDS)
def test_classes_as_in_scikit_learn(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(30, 80)), int(rng.integers(2, 5))
    scores, y = rng.standard_normal((count, classes)).round(1), rng.integers(0, classes, count)
    w, label = weights(seed, count), scores.argmax(axis=1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))  # equal scores stay equal
    p = powers / powers.sum(axis=1, keepdims=True)
    average = {"average": "macro", "labels": np.unique(np.r_[y[w > 0], label[w > 0]])}
    average |= {"sample_weight": w, "zero_division": 0}
    binary = [(1, scores[:, 1] - scores[:, 0])]
    curves = binary if classes == 2 else list(enumerate(p.T))
    auc = np.mean([sklearn.roc_auc_score(y == c, s, sample_weight=w) for c, s in curves])
    expected = {
        "accuracy": (metrics.Accuracy(), sklearn.accuracy_score(y, label, sample_weight=w)),
        "precision": (metrics.Precision("macro"), sklearn.precision_score(y, label, **average)),
        "recall": (metrics.Recall("macro"), sklearn.recall_score(y, label, **average)),
        "f1": (metrics.F1("macro"), sklearn.f1_score(y, label, **average)),
        "mcc": (
            metrics.MatthewsCorrelation(),
            sklearn.matthews_corrcoef(y, label, sample_weight=w),
        ),
        "auc": (metrics.AUC(), auc),
        "perplexity": (
            metrics.Perplexity(),
            np.exp(sklearn.log_loss(y, p, sample_weight=w, labels=range(classes))),
        ),
    }
    for name, (metric, value) in expected.items():
        found = merged(metric, scores, y, w, seed)
        assert found == pytest.approx(value, rel=1e-10, abs=1e-12), name


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_as_in_scikit_learn(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((50, 2)) + rng.choice([0, 1e4])
    x, w = y + rng.standard_normal((50, 2)), weights(seed, 50)
    expected = {
        "mae": (metrics.MAE(), sklearn.mean_absolute_error(y, x, sample_weight=w)),
        "mse": (metrics.MSE(), sklearn.mean_squared_error(y, x, sample_weight=w)),
        "r2": (metrics.R2(), sklearn.r2_score(y, x, sample_weight=w)),
    }
    for name, (metric, value) in expected.items():
        assert merged(metric, x, y, w, seed) == pytest.approx(value, rel=1e-10), name


def test_a_weight_of_0_leaves_a_sample_out():
    rng = np.random.default_rng(0)
    for loss, y, names in (
        (nn.CrossEntropyLoss(), rng.integers(0, 3, 24), ["f1", "auc", "mcc", "top2", "perplexity"]),
        (nn.BCEWithLogitsLoss(), (rng.random((24, 3)) > 0.5) * 1.0, ["f1", "auc"]),
        (nn.MSELoss(), rng.standard_normal((24, 3)), ["mae", "rmse", "r2"]),
    ):
        x, w = rng.standard_normal((24, 5)), np.arange(24) % 3 > 0
        net, trainer = FloatNet(loss), Trainer(runs_dir=None, metrics=names)

        def validate(*arrays, net=net, trainer=trainer):
            data = fl.ArrayDataset(*arrays, dtype="float64")
            return trainer.validate(net, fl.DataLoader(data, 5))

        found = validate(x, y, w * 2.0)
        assert found == pytest.approx(validate(x[w], y[w]), rel=1e-12)
        assert {f"val_{name}" for name in names} <= found.keys()


def test_no_weight_at_all_gives_nan():
    x, y = np.ones((4, 3)), np.array([0, 1, 2, 0])
    for metric, target in ((metrics.Accuracy(), y), (metrics.AUC(), y), (metrics.R2(), x)):
        metric.update(x, target, sample_weight=np.zeros(4))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(metric.compute())


class Old(metrics.Metric):
    def update(self, prediction, target):
        raise AssertionError


@pytest.mark.parametrize(
    ("metric", "weight", "error", "message"),
    [
        (Old(), np.ones(4), TypeError, r"metrics: 'old' takes no sample weights, .* write def upd"),
        (metrics.F1(), np.ones((4, 2)), ValueError, r"'f1' expected one weight .* \(4,\), got .*2"),
    ],
)
def test_weights_that_a_metric_cannot_take_are_refused(metric, weight, error, message):
    x, y = np.ones((4, 2, 5)), np.zeros((4, 2), int)
    net = FloatNet(nn.CrossEntropyLoss())
    with pytest.raises(error, match=message):
        Trainer(runs_dir=None, metrics=[metric]).validate(net, [(x, y, weight)])


def test_batches_without_weights_count_as_weights_of_1():
    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((12, 3)), rng.integers(0, 3, 12), rng.random(12)
    for metric in (metrics.AUC(), metrics.F1(), metrics.Perplexity()):
        other, whole = copy.deepcopy(metric), copy.deepcopy(metric)
        metric.update(x[:4], y[:4], sample_weight=w[:4])
        metric.update(x[4:9], y[4:9])
        other.update(x[9:], y[9:])
        metric.merge(other)
        whole.update(x, y, sample_weight=np.r_[w[:4], np.ones(8)])
        assert metric.compute() == pytest.approx(whole.compute(), rel=1e-12), metric.name
