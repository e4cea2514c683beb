"""Losses of log-probabilities, masks, variances and embeddings: extremes, counts and messages."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.support.sample_weights import backward, weighted_output

TINY = np.array([[0.25, 0.75]])


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_log_softmax_and_nll_are_cross_entropy(rng):
    x, y = rng.standard_normal((6, 4)), np.array([0, 3, -100, 1, 1, 2])
    for settings in ({}, {"weight": [1.0, 2.0, 0.5, 3.0]}, {"reduction": "none"}):
        whole, part, last = nn.CrossEntropyLoss(**settings), nn.LogSoftmax(), nn.NLLLoss(**settings)
        np.testing.assert_allclose(last(part(x), y), whole(x, y), rtol=1e-13)
        np.testing.assert_allclose(part.backward(last.backward()), whole.backward(), atol=1e-15)
        assert last.metrics(x, y) == whole.metrics(x, y)
        assert last.denominators(x, y) == whole.denominators(x, y)


def test_a_class_that_does_not_count_may_have_probability_zero():
    x, y = np.array([[-np.inf, 0.0], [np.nan, -np.inf]]), np.array([1, -100])
    loss = nn.NLLLoss()
    assert loss(x, y) == 0
    np.testing.assert_array_equal(loss.backward(), [[0, -1], [0, 0]])
    assert loss(x[:1], np.array([0])) == np.inf
    assert np.isfinite(loss.backward()).all()


@pytest.mark.parametrize("log_target", [False, True])
def test_a_class_without_target_probability_costs_nothing(log_target):
    """PyTorch returns NaN for each of these."""
    x, y = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    loss = nn.KLDivLoss(log_target=log_target)
    assert loss(x, np.array([[0.0, -np.inf]]) if log_target else y) == 0
    np.testing.assert_array_equal(loss.backward(), -y / 2)
    assert loss(x[:, ::-1].copy(), x if log_target else y) == np.inf
    assert np.isnan(loss(x, np.array([[np.nan, 1.0]]))) if log_target else True


def test_divergence_is_zero_of_equals_and_positive_of_others(rng):
    p, q = rng.dirichlet(np.ones(5), (2, 7))
    loss = nn.KLDivLoss(reduction="batchmean")
    assert loss(np.log(p), p) == pytest.approx(0, abs=1e-15)
    assert loss(np.log(p), q) == pytest.approx((q * np.log(q / p)).sum() / 7)
    assert loss.denominators(p, q) == {"loss": 7}
    assert nn.KLDivLoss().denominators(p, q) == {"loss": 35}
    assert nn.KLDivLoss(reduction="sum").denominators(p, q) == {"loss": None}


@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_empty_masks(smooth, dtype):
    loss, x = nn.DiceLoss(smooth=smooth), np.full((2, 3, 3, 1), -1e4, dtype)
    assert loss(x, np.zeros((2, 3, 3, 1))) == 0  # nothing there, nothing found
    assert not loss.backward().any()
    assert loss(-x, np.zeros((2, 3, 3, 1))) == pytest.approx(1 - smooth / (9 + smooth))
    assert np.isfinite(loss.backward()).all()
    assert loss(-x, np.ones((2, 3, 3, 1))) == 0


def test_each_mask_counts_alike(rng):
    x, y = rng.standard_normal((2, 4, 5, 3)), rng.random((2, 4, 5, 3)) > 0.5
    each = nn.DiceLoss(reduction="none")(x, y)
    assert each.shape == (2, 3)
    assert each[1, 2] == nn.DiceLoss()(x[1:, ..., 2:], y[1:, ..., 2:])
    assert nn.DiceLoss().denominators(x, y) == {"loss": 6}
    assert nn.DiceLoss(reduction="sum").denominators(x, y) == {"loss": None}


SAMPLE_WEIGHTS = {
    "nll": (nn.NLLLoss(), lambda rng: rng.integers(0, 3, 5), (5, 3)),
    "kl": (nn.KLDivLoss(), lambda rng: rng.random((5, 3)), (5, 3)),
    "kl, batchmean": (
        nn.KLDivLoss(reduction="batchmean"),
        lambda rng: rng.random((5, 3)),
        (5, 3),
    ),
    "dice": (nn.DiceLoss(), lambda rng: rng.random((5, 4, 3)), (5, 4, 3)),
    "dice, sum": (nn.DiceLoss(reduction="sum"), lambda rng: rng.random((5, 4, 3)), (5, 4, 3)),
}


@pytest.mark.parametrize(("loss", "target", "shape"), SAMPLE_WEIGHTS.values(), ids=SAMPLE_WEIGHTS)
def test_a_sample_weight_is_how_often_a_sample_counts(loss, target, shape, rng):
    x, y, w = rng.standard_normal(shape), target(rng), np.array([0, 1, 3, 1, 2])
    output = weighted_output(loss, x, y, w)
    dx = backward(loss, output.dloss)
    often = np.repeat(np.arange(5), w)
    assert output.loss == pytest.approx(loss(x[often], y[often]))
    expected = np.zeros(shape)
    np.add.at(expected, often, loss.backward())
    np.testing.assert_allclose(dx, expected, atol=1e-15)


def test_a_variance_of_zero_is_eps():
    loss, zero = nn.GaussianNLLLoss(eps=0.25), np.zeros((1, 1))
    assert loss(zero, zero, zero) == pytest.approx(np.log(0.25) / 2)
    dmean, dvar = loss.backward()
    assert (dmean, dvar) == (0, 2)


def test_equal_pairs():
    a = np.ones((2, 3), "float32")
    loss = nn.ContrastiveLoss(margin=2.0)
    assert loss(a, a, np.array([1, 0])) == 1  # 2² / 2 for the one that should be apart
    for gradient in loss.backward():
        np.testing.assert_array_equal(gradient, 0 * a)
    triplet = nn.TripletMarginLoss(eps=0.0)
    assert triplet(a, a, a) == 1
    for gradient in triplet.backward():
        np.testing.assert_array_equal(gradient, 0 * a)


def test_embeddings_of_zero_and_of_one_pair():
    a = np.array([[0.0, 0.0], [1.0, 0.0]])
    loss = nn.NTXentLoss()
    assert np.isfinite(loss(a, a))
    first, _ = loss.backward()
    assert not first[0].any()
    assert np.isfinite(first).all()
    assert loss(a[1:], 2 * a[1:]) == 0
    assert not np.any(loss.backward())


@pytest.mark.parametrize("temperature", [1e-3, 1.0])
def test_small_temperatures_do_not_overflow(temperature, rng):
    a, b = rng.standard_normal((2, 4, 3)).astype("float32")
    loss = nn.NTXentLoss(temperature=temperature)
    assert np.isfinite(loss(1e10 * a, b))
    assert all(np.isfinite(gradient).all() for gradient in loss.backward())


def test_training_and_metrics_of_log_probabilities(quiet):
    """NLLLoss in a Trainer: accuracy, metrics by name and checkpoints as for CrossEntropyLoss."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 3), "float32"), rng.integers(0, 2, 24)

    class Net(fl.Module):
        def __init__(self, loss, *last):
            self.body = nn.Sequential(nn.Linear(3, 2, rng=np.random.default_rng(1)), *last)
            self.loss = loss

        def forward(self, x):
            return self.body(x)

        def backward(self, dy):
            return self.body.backward(dy)

        def configure_optimizer(self):
            return fl.optim.SGD(self.parameters(), lr=0.1)

    records = []
    for net in (Net(nn.CrossEntropyLoss()), Net(nn.NLLLoss(), nn.LogSoftmax())):
        trainer = fl.Trainer(max_epochs=2, metrics=["auc", "f1"], **quiet)
        history = trainer.fit(net, (x, y), (x, y))
        records.append([history[name][-1] for name in ("val_loss", "val_acc", "val_auc", "val_f1")])
    np.testing.assert_allclose(records[1], records[0], rtol=1e-5)


class Twin(fl.Module):
    """Returns a pair: a mean and a variance, or two embeddings."""

    def __init__(self, loss, last):
        rng = np.random.default_rng(1)
        self.one, self.other = nn.Linear(3, 2, rng=rng), nn.Linear(3, 2, rng=rng)
        self.last, self.loss = last, loss

    def forward(self, x):
        return self.one(x), self.last(self.other(x))

    def backward(self, dy):
        return self.one.backward(dy[0]) + self.other.backward(self.last.backward(dy[1]))

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=0.05)


@pytest.mark.parametrize(
    ("loss", "last", "target"),
    [
        (nn.GaussianNLLLoss(), nn.Softplus(), lambda rng: rng.standard_normal((24, 2))),
        (nn.ContrastiveLoss(), nn.Identity(), lambda rng: rng.integers(0, 2, 24)),
    ],
    ids=["variance", "embeddings"],
)
def test_a_trainer_passes_a_pair(loss, last, target, quiet):
    rng = np.random.default_rng(0)
    x, y, net = rng.standard_normal((24, 3), "float32"), target(rng), Twin(loss, last)
    history = fl.Trainer(max_epochs=5, **quiet).fit(net, (x, y), (x, y))
    assert history["val_loss"][-1] < history["val_loss"][0]
    one, other = net.eval()(x)
    arrays = (one, other, y) if isinstance(loss, nn.ContrastiveLoss) else (one, y, other)
    assert history["val_loss"][-1] == pytest.approx(float(loss(*arrays)), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "inputs", "error", "message"),
    [
        (nn.KLDivLoss, (np.log(TINY), -TINY), ValueError, "0 or more, got -0.75; .* log_target=T"),
        (nn.DiceLoss, (TINY, TINY), ValueError, r"shape \(N, ..., C\), .* got \(1, 2\); give one"),
        (nn.DiceLoss, (TINY[None], 3 * TINY[None]), ValueError, "targets from 0 to 1, got 0.75 to"),
        (
            nn.GaussianNLLLoss,
            (TINY, TINY, -TINY),
            ValueError,
            "of 0 or more, got -0.75; .*Softplus",
        ),
        (nn.GaussianNLLLoss, (TINY, TINY, TINY[0]), ValueError, r"var of .* \(1, 2\), .* \(2,\)"),
        (nn.GaussianNLLLoss, (TINY, TINY, 1.0), ValueError, r"got \(\); for one variance"),
        (nn.GaussianNLLLoss, (TINY, TINY), TypeError, r"the pair \(mean, var\) .* type ndarray"),
        (nn.ContrastiveLoss, (TINY, TINY), TypeError, r"the pair \(x1, x2\) .* type ndarray"),
        (nn.TripletMarginLoss, (TINY, TINY, TINY[:, :1]), ValueError, r"negative \(1, 1\)"),
        (nn.TripletMarginLoss, (TINY, TINY, [1]), TypeError, "negative as a floating .* got list"),
        (nn.ContrastiveLoss, (TINY[0], TINY[0], TINY[0]), ValueError, r"x1 and x2 of one shape"),
        (nn.ContrastiveLoss, (TINY, TINY, TINY), ValueError, r"target of shape \(1,\), 1 for each"),
        (nn.ContrastiveLoss, (TINY, TINY, np.array([-1])), ValueError, "targets from 0 to 1"),
        (nn.NTXentLoss, (TINY[:0], TINY[:0]), ValueError, r"samples of 1 or more, got x1 \(0, 2\)"),
        (
            nn.NTXentLoss,
            (TINY[None], TINY[None]),
            ValueError,
            r"of shape \(N, d\), got \(1, 1, 2\)",
        ),
        (nn.NTXentLoss, (TINY, (4 * TINY).astype(int)), TypeError, "x2 as a floating .* int64"),
    ],
)
def test_bad_inputs_are_told(make, inputs, error, message):
    with pytest.raises(error, match=f"{make.__name__}: expected .*{message}"):
        make()(*inputs)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (nn.KLDivLoss, {"reduction": "batch"}, 'reduction "batchmean", "mean", "sum" or "none"'),
        (nn.GaussianNLLLoss, {"eps": 0}, "eps above 0, got 0"),
        (nn.DiceLoss, {"smooth": -1}, "smooth of 0 or more, got -1"),
        (nn.TripletMarginLoss, {"margin": 0.0}, "margin above 0, got 0.0"),
        (nn.TripletMarginLoss, {"p": 0.5}, "p of 1 or more, and finite, got 0.5"),
        (nn.ContrastiveLoss, {"margin": -1}, "margin above 0, got -1"),
        (nn.NTXentLoss, {"temperature": 0}, "temperature above 0, got 0"),
    ],
)
def test_bad_arguments_are_told(make, settings, message):
    with pytest.raises(ValueError, match=f"{make.__name__}: expected {message}"):
        make(**settings)
