"""Losses beyond the gradient table: values worked out by hand, metrics, messages."""

import numpy as np
import pytest

from firstlight import nn

REGRESSION = (nn.MSELoss, nn.L1Loss, nn.HuberLoss)
PAIRED = (nn.BCEWithLogitsLoss, nn.KLDivLoss, *REGRESSION)
CLASSES = (nn.CrossEntropyLoss, nn.NLLLoss)
LOSSES = (*CLASSES, *PAIRED)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def pair(loss, rng, shape=(6, 4)):
    """A prediction and a target that fit the loss, float32."""
    x = rng.standard_normal(shape, dtype="float32")
    if isinstance(loss, nn.CrossEntropyLoss):
        return x, rng.integers(0, shape[-1], shape[:-1])
    return x, rng.random(shape, dtype="float32")


# --- values by hand ---------------------------------------------------------------------------


def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes(rng):
    loss = nn.CrossEntropyLoss()
    assert loss(np.zeros((5, 8)), rng.integers(0, 8, 5)) == pytest.approx(np.log(8))


def test_cross_entropy_by_the_definition(rng):
    x, y = rng.standard_normal((7, 5)), rng.integers(0, 5, 7)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    assert nn.CrossEntropyLoss()(x, y) == pytest.approx(
        -np.log([p[i, y[i]] for i in range(7)]).mean()
    )


def test_class_weights_divide_by_the_weights_of_the_targets():
    x, y = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([0, 1])
    rows = np.log(2), np.log(1 + np.exp(2))
    loss = nn.CrossEntropyLoss([1.0, 3.0])
    assert loss(x, y) == pytest.approx((rows[0] + 3 * rows[1]) / 4)


@pytest.mark.parametrize("ignored", [-100, -1, 2, 77])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_ignored_rows_are_as_if_they_were_not_there(ignored, smoothing, rng):
    x, y = rng.standard_normal((9, 4)), rng.integers(0, 2, 9)
    kept = np.arange(9) % 3 > 0
    loss = nn.CrossEntropyLoss(ignore_index=ignored, label_smoothing=smoothing)
    alone, dx_alone = loss(x[kept], y[kept]), loss.backward(0.7)
    acc = loss.metrics(x[kept], y[kept])["acc"]
    y[~kept] = ignored
    assert loss(x, y) == pytest.approx(alone)
    dx = loss.backward(0.7)
    np.testing.assert_allclose(dx[kept], dx_alone)
    assert not dx[~kept].any()
    assert loss.metrics(x, y)["acc"] == acc


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_binary_cross_entropy_by_the_definition(reduction, rng):
    x, y = rng.standard_normal((7, 2)), rng.random((7, 2))
    p = 1 / (1 + np.exp(-x))
    values = -(3 * y * np.log(p) + (1 - y) * np.log(1 - p))
    loss = nn.BCEWithLogitsLoss(pos_weight=3.0, reduction=reduction)
    assert loss(x, y) == pytest.approx(getattr(values, reduction)())


def test_regression_losses_by_hand():
    x, y = np.array([[1.0, 0.5, -4.0]]), np.zeros((1, 3))
    for loss, values in (
        (nn.MSELoss, [1, 0.25, 16]),
        (nn.L1Loss, [1, 0.5, 4]),
        (nn.HuberLoss, [0.5, 0.125, 3.5]),
    ):
        assert loss()(x, y) == pytest.approx(np.mean(values))
        assert loss(reduction="sum")(x, y) == pytest.approx(np.sum(values))


@pytest.mark.parametrize("size", [1e4, 3e38])
@pytest.mark.parametrize("right", [True, False])
def test_huge_logits_stay_finite_and_exact(size, right):
    y = np.array([0 if right else 1])
    x = np.array([[size, 0.0]], "float32")
    loss = nn.CrossEntropyLoss()
    assert loss(x, y) == (0 if right else np.float32(size))
    np.testing.assert_array_equal(loss.backward(), [[0, 0]] if right else [[1, -1]])
    binary = nn.BCEWithLogitsLoss()
    assert binary(x[:, :1], 1.0 - y[:, None]) == (0 if right else np.float32(size))
    np.testing.assert_allclose(binary.backward(), [[0 if right else 1]], atol=1e-37)


# --- the contract of every loss ---------------------------------------------------------------


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_is_a_scalar_of_the_predictions_dtype(make, dtype, rng):
    loss = make()
    x, y = pair(loss, rng)
    x = x.astype(dtype)
    value = loss(x, y)
    assert (value.shape, value.dtype) == ((), dtype)
    dx = loss.backward(np.float64(0.3))
    assert (dx.shape, dx.dtype) == (x.shape, dtype)
    assert all(np.ndim(metric) == 0 for metric in loss.metrics(x, y).values())


@pytest.mark.parametrize("weighted", [*CLASSES, nn.BCEWithLogitsLoss])
def test_weights_do_not_raise_the_dtype(weighted, rng):
    w = np.array([1.0, 2.0, 3.0, 4.0])
    loss = weighted(w) if weighted in CLASSES else weighted(pos_weight=w)
    x, y = pair(loss, rng)
    assert loss(x, y).dtype == loss.backward().dtype == "float32"
    assert [name for name, _ in loss.named_buffers()] in (["weight"], ["pos_weight"])


@pytest.mark.parametrize("make", LOSSES)
def test_dloss_scales_the_gradient(make, rng):
    loss = make()
    x, y = pair(loss, rng)
    loss(x, y), loss(x, y)
    np.testing.assert_allclose(loss.backward(-2.5), -2.5 * loss.backward(), rtol=1e-6)


@pytest.mark.parametrize("make", PAIRED)
@pytest.mark.parametrize("dtype", ["int64", "bool", "float64", "uint8"])
def test_targets_of_any_dtype_are_numbers(make, dtype, rng):
    x, y = rng.standard_normal(8, dtype="float32"), np.arange(8) % 2
    loss = make()
    assert loss(x, y.astype(dtype)) == make()(x, y.astype("float32"))
    assert loss.backward().dtype == "float32"


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_labels_may_be_any_integers(dtype, rng):
    x, y = rng.standard_normal((8, 3)), np.arange(8) % 3
    assert nn.CrossEntropyLoss()(x, y.astype(dtype)) == nn.CrossEntropyLoss()(x, y)


# --- metrics ----------------------------------------------------------------------------------


def test_accuracy():
    x = np.array([[[0.0, 1.0], [2.0, 1.0]], [[0.0, 3.0], [0.0, 1.0]]])
    y = np.array([[1, 0], [0, -100]])
    assert nn.CrossEntropyLoss().metrics(x, y) == {"acc": pytest.approx(2 / 3)}
    assert nn.CrossEntropyLoss(ignore_index=0).metrics(x, np.array([[1, 0], [0, 0]])) == {"acc": 1}


def test_binary_accuracy():
    x, y = np.array([[-1.0], [2.0], [3.0], [-0.1]]), np.array([[0.0], [1.0], [0.0], [1.0]])
    assert nn.BCEWithLogitsLoss().metrics(x, y) == {"acc": 0.5}


@pytest.mark.parametrize("make", REGRESSION)
def test_regression_has_no_metrics(make, rng):
    assert make().metrics(*pair(make(), rng)) == {}


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (
            np.zeros(4, "float32"),
            TypeError,
            r"expected integer class labels of shape \(4,\), got float32; cast with "
            r"y.astype\('int64'\), or use MSELoss for regression",
        ),
        (np.zeros(4, bool), TypeError, "expected integer class labels .* got bool"),
        (
            np.eye(4, 3, dtype=int),
            TypeError,
            r"expected class indices of shape \(4,\), or probabilities as floats, got one-hot "
            r"targets of dtype int64; pass class indices: y.argmax\(-1\)",
        ),
        (
            np.array([0, 1, 3, 2]),
            ValueError,
            "expected labels from 0 to 2, as prediction has 3 classes, got labels from 0 to 3; "
            "number the classes from 0",
        ),
        (np.array([-1, 1, 0, 2]), ValueError, "got labels from -1 to 2; .* or set ignore_index"),
        (
            np.zeros((4, 1), int),
            ValueError,
            r"expected target of shape \(4,\) for prediction \(4, 3\), got \(4, 1\); the classes "
            "are prediction's last axis",
        ),
        (np.zeros(5, int), ValueError, r"expected target of shape \(4,\) .* got \(5,\)"),
        ([0, 1, 2, 0], TypeError, r"expected target as an array, got list; pass np.asarray\("),
    ],
)
def test_cross_entropy_explains_bad_targets(target, error, message):
    with pytest.raises(error, match="CrossEntropyLoss: .*" + message):
        nn.CrossEntropyLoss()(np.zeros((4, 3), "float32"), target)


@pytest.mark.parametrize("make", LOSSES)
def test_empty_batches_and_integer_predictions_are_errors(make):
    loss, name = make(), make.__name__
    empty = np.zeros((0, 3)), np.zeros(0, int) if make in CLASSES else np.zeros((0, 3))
    with pytest.raises(ValueError, match=rf"{name}: expected at least one sample, got an empty"):
        loss(*empty)
    with pytest.raises(TypeError, match=rf"{name}: .* got int64; the order is loss\(prediction, t"):
        loss(np.zeros((2, 3), "int64"), np.zeros(2, int))


@pytest.mark.parametrize("make", PAIRED)
def test_shapes_that_would_broadcast_are_errors(make):
    message = (
        rf"{make.__name__}: expected target of prediction's shape \(8, 1\), got \(8,\); they "
        r"would broadcast, pairing every sample with every other: use y.reshape\(-1, 1\)"
    )
    with pytest.raises(ValueError, match=message):
        make()(np.zeros((8, 1)), np.zeros(8))
    with pytest.raises(ValueError, match=r"use y.reshape\(-1\)"):
        make()(np.zeros(8), np.zeros((8, 1)))
    with pytest.raises(ValueError, match=r"\(8, 2\), got \(8,\); the model's output and the targ"):
        make()(np.zeros((8, 2)), np.zeros(8))


@pytest.mark.parametrize("target", [[[-1.0], [1.0]], [[0.0], [9.0]], [[0.0], [np.nan]]])
def test_binary_targets_outside_0_and_1_are_errors(target):
    with pytest.raises(ValueError, match="BCEWithLogitsLoss: expected targets from 0 to 1, got"):
        nn.BCEWithLogitsLoss()(np.zeros((2, 1)), np.array(target))


def test_bad_arguments_are_errors():
    for make in LOSSES:
        message = rf'{make.__name__}: expected reduction .*"mean", "sum" or "none", got \'max\''
        with pytest.raises(ValueError, match=message):
            make(reduction="max")
    with pytest.raises(ValueError, match="expected label_smoothing from 0 to 1, got 1.5"):
        nn.CrossEntropyLoss(label_smoothing=1.5)
    with pytest.raises(ValueError, match=r"expected weight .* shape \(C,\), got shape \(2, 2\)"):
        nn.CrossEntropyLoss(np.ones((2, 2)))
    with pytest.raises(ValueError, match="expected 3 class weights, .* got 2"):
        nn.CrossEntropyLoss([1.0, 2.0])(np.zeros((4, 3)), np.zeros(4, int))
    with pytest.raises(ValueError, match="HuberLoss: expected delta above 0, got 0"):
        nn.HuberLoss(delta=0)


def test_repr():
    assert repr(nn.CrossEntropyLoss([1, 2], label_smoothing=0.1)) == (
        "CrossEntropyLoss(weight of 2 classes, ignore_index=-100, reduction='mean', "
        "label_smoothing=0.1)"
    )
    assert repr(nn.BCEWithLogitsLoss()) == "BCEWithLogitsLoss(reduction='mean')"
    assert repr(nn.NLLLoss()) == "NLLLoss(ignore_index=-100, reduction='mean')"
    assert repr(nn.HuberLoss()) == "HuberLoss(reduction='mean', delta=1.0)"
