"""Metrics by name: what counts, what is refused, and metrics of one's own."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import metrics, nn
from firstlight.testing import TinyNet, tiny_data
from firstlight.training import named_metrics

EVERY = "accuracy,auc,balanced_accuracy,f1,f1_macro,mcc,perplexity,precision,recall_micro,top1,top2"


def trainer(*names, **options):
    options = {"max_epochs": 1, "runs_dir": None, "default_callbacks": False, "seed": 0} | options
    return fl.Trainer(metrics=list(names), **options)


def test_every_name_is_logged_in_validation_and_test():
    run = trainer(*EVERY.split(","))
    run.fit(TinyNet(), tiny_data())
    names = {f"val_{name}" for name in EVERY.split(",")}
    assert names <= set(run.history.records[-1])
    assert run.metrics["val_accuracy"] == pytest.approx(run.metrics["val_acc"])
    tested = run.test(run.module, tiny_data())
    assert {name.replace("val_", "test_") for name in names} <= set(tested)


def test_the_result_does_not_depend_on_the_batches():
    data, model = tiny_data(), TinyNet()
    found = []
    for size in (1, 4, 22):
        data.batch_size = size
        found.append(trainer("f1", "auc", "mcc").validate(model, data))
    for name in ("val_f1", "val_auc", "val_mcc"):
        assert found[0][name] == found[1][name] == found[2][name]


def test_a_training_is_the_same_with_metrics():
    plain, measured = trainer(), trainer("f1", "auc")
    for one in (plain, measured):
        one.fit(TinyNet(), tiny_data())
    for a, b in zip(plain.module.parameters(), measured.module.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


class Fixed(fl.Module):
    """A model that returns its input."""

    def __init__(self, loss):
        self.loss = loss
        self.scale = fl.Parameter(np.ones(1, "float32"))

    def forward(self, x):
        return x * self.scale.data


def evaluated(loss, x, y, *names):
    return trainer(*names).validate(Fixed(loss), (x.astype("float32"), y))


def test_ignored_labels_do_not_count():
    x = np.eye(3)[[0, 1, 2, 0]]
    y = np.array([0, 1, 1, 2])
    loss = nn.CrossEntropyLoss(ignore_index=2)
    found = evaluated(loss, x, y, "accuracy", "f1", "auc", "perplexity", "top2")
    assert found["val_accuracy"] == pytest.approx(2 / 3)
    assert found["val_perplexity"] == pytest.approx(np.exp(found["val_loss"]))
    expected = metrics.F1()
    expected.update(x[:3], y[:3])
    assert found["val_f1"] == expected.compute()
    assert np.isnan(found["val_auc"])  # class 2 has no sample that counts


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_logits_of_a_binary_loss_are_two_classes(shape):
    x = np.array([2.0, -1, 0.5, -3, 1, -0.1]).reshape(shape)
    y = np.array([1.0, 0, 0, 0, 1, 1]).reshape(shape)
    found = evaluated(nn.BCEWithLogitsLoss(), x, y, "accuracy", "precision", "recall", "auc")
    assert found["val_accuracy"] == pytest.approx(found["val_acc"])
    assert found["val_precision"] == pytest.approx(2 / 3)
    assert found["val_recall"] == pytest.approx(2 / 3)
    assert found["val_auc"] == pytest.approx(8 / 9)


def test_labels_of_a_multi_label_loss_count_one_by_one():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), (rng.random((20, 4)) < 0.5).astype("float32")
    found = evaluated(nn.BCEWithLogitsLoss(), x, y, "accuracy", "f1")
    assert found["val_accuracy"] == pytest.approx(found["val_acc"])
    right = (x > 0) & (y > 0.5)
    assert found["val_f1"] == pytest.approx(2 * right.sum() / ((x > 0).sum() + y.sum()))


def test_numbers():
    x, y = np.array([[1.0], [2], [4]]), np.array([[1.0], [3], [5]])
    found = evaluated(nn.MSELoss(), x, y.astype("float32"), "mae", "mse", "rmse", "r2")
    assert found["val_mae"] == pytest.approx(2 / 3)
    assert found["val_mse"] == pytest.approx(found["val_loss"])
    assert found["val_rmse"] == pytest.approx(found["val_loss"] ** 0.5)
    assert found["val_r2"] == pytest.approx(1 - 2 / 8)


def test_positions_of_a_sequence_count_like_samples():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 7, 4)), rng.integers(-1, 4, (5, 7))
    for metric in (metrics.F1(), metrics.Accuracy(), metrics.AUC(), metrics.TopK(2)):
        flat = named_metrics.metric(metric.name)
        metric.update(x, y)
        flat.update(x.reshape(-1, 4), y.reshape(-1))
        assert metric.compute() == pytest.approx(flat.compute(), rel=1e-12)


class Signs(metrics.Metric):
    """Share of positive predictions."""

    def __init__(self):
        self.positive = self.count = 0

    def update(self, prediction, target):
        self.positive = self.positive + (prediction > 0).sum()
        self.count += prediction.size

    def merge(self, other):
        self.positive, self.count = self.positive + other.positive, self.count + other.count

    def compute(self):
        return float(self.positive / self.count)


def test_a_metric_of_ones_own_is_an_object():
    found = trainer(Signs(), "f1").validate(TinyNet(), tiny_data())
    assert 0 <= found["val_signs"] <= 1


def test_early_stopping_can_monitor_a_metric():
    stop = fl.callbacks.EarlyStopping("val_f1", patience=1)
    run = trainer("f1", max_epochs=30, callbacks=[stop])
    run.fit(TinyNet(), tiny_data())
    assert run.epoch < 30


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["acc"], KeyError, "the loss of a classification logs val_acc"),
        (["acuracy"], KeyError, "no metric is called 'acuracy'; did you mean 'accuracy'"),
        (["f1", "f1"], ValueError, "'f1' is there 2 times"),
        ([metrics.F1], TypeError, "got the class F1; write F1()"),
        ([3], TypeError, "expected names or objects of firstlight.metrics.Metric, got 3"),
        (["os:system"], KeyError, "no metric is called 'os:system'"),
        (["top0"], KeyError, "no metric is called 'top0'"),
        (["auc_macro"], KeyError, "no metric is called 'auc_macro'"),
    ],
)
def test_what_is_no_metric_is_refused_before_the_training(names, error, message):
    with pytest.raises(error) as caught:
        trainer(*names)
    assert message in str(caught.value)


def test_a_metric_that_does_not_fit_the_model_says_so():
    with pytest.raises(ValueError, match=r"mae|MAE: expected predictions and targets of one shape"):
        trainer("mae").validate(TinyNet(), tiny_data())
    x = np.zeros((4, 2))
    with pytest.raises(TypeError, match=r"F1: expected integer class labels, got float32; .* mae"):
        evaluated(nn.MSELoss(), x, x.astype("float32"), "f1")
    with pytest.raises(ValueError, match=r'average="binary" is for two classes, got 3'):
        evaluated(nn.CrossEntropyLoss(), np.eye(3), np.arange(3), "f1_binary")
    with pytest.raises(ValueError, match="expected average as one of auto, binary"):
        metrics.F1("mean")
    with pytest.raises(ValueError, match="k of 1 or more"):
        metrics.TopK(0)


def test_a_name_of_the_loss_is_not_replaced():
    class Acc(metrics.Accuracy):
        pass

    with pytest.raises(ValueError, match="'val_acc' is a metric of the loss"):
        trainer(Acc()).validate(TinyNet(), tiny_data())


def test_a_step_without_prediction_is_told_to_return_it():
    class Silent(TinyNet):
        def validation_step(self, batch):
            return fl.StepOutput(1.0)

    with pytest.raises(TypeError, match=r"end Silent.validation_step with: return StepOutput"):
        trainer("f1").validate(Silent(), tiny_data())


def test_no_sample_gives_nan():
    for name in EVERY.split(",") + ["mae", "mse", "rmse", "r2"]:
        assert np.isnan(named_metrics.metric(name).compute()), name
