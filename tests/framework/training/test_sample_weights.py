"""Batches (x, y, w): weighted means of loss and metrics, and their gradients."""

import numpy as np
import pytest
from nets import FloatNet

import firstlight as fl
from firstlight import Trainer, augment, callbacks, models, nn, optim

COUNT = 24
EXACT = {"rtol": 1e-12, "atol": 1e-12}
WEIGHT = [1.0, 0.2, 5.0]


def numbers(*shape, seed=2):
    return np.random.default_rng(seed).standard_normal((COUNT, *shape))


def labels():
    return np.random.default_rng(0).integers(0, 3, COUNT)


def some_ignored():
    y = labels()
    y[[0, 1, 2, 3, 9, 10]] = -100
    return y


def shares():
    q = np.abs(numbers(3)) + 0.1
    return q / q.sum(axis=1, keepdims=True)


def weights():
    w = np.abs(numbers(seed=7)) + 0.1
    w[[4, 5, 6, 7, 12]] = 0  # a whole batch of four
    return w


class Unaware(nn.MSELoss):
    """A loss of the user's own, which knows nothing of denominators."""

    def forward(self, prediction, target):
        d = prediction - target
        self.save(d)
        losses = np.square(d).sum(axis=-1)
        return losses if self.reduction == "none" else losses.mean()

    def backward(self, dloss=1.0):
        (d,) = self.saved()
        if self.reduction == "mean":
            return 2 * dloss * d / len(d)
        return 2 * np.asarray(dloss)[..., None] * d


CASES = {
    "classes": (lambda: nn.CrossEntropyLoss(), labels),
    "ignored": (lambda: nn.CrossEntropyLoss(), some_ignored),
    "class weights": (lambda: nn.CrossEntropyLoss(WEIGHT), some_ignored),
    "smoothing": (lambda: nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2), some_ignored),
    "soft targets": (lambda: nn.CrossEntropyLoss(WEIGHT), shares),
    "sum": (lambda: nn.CrossEntropyLoss(WEIGHT, reduction="sum"), some_ignored),
    "binary": (
        lambda: nn.BCEWithLogitsLoss(pos_weight=[3.0, 1.0, 0.5]),
        lambda: (numbers(3) > 0) * 1.0,
    ),
    "squares": (lambda: nn.MSELoss(), lambda: numbers(3)),
    "absolute": (lambda: nn.L1Loss(), lambda: numbers(3)),
    "huber": (lambda: nn.HuberLoss(), lambda: numbers(3)),
    "sum of squares": (lambda: nn.MSELoss(reduction="sum"), lambda: numbers(3)),
    "a loss of the user's": (lambda: Unaware(), lambda: numbers(3)),
}
cases = pytest.mark.parametrize("name", CASES)


def net(name):
    return FloatNet(CASES[name][0]())


def arrays(name, weight=None):
    w = weights() if weight is None else weight
    return numbers(5, seed=1), CASES[name][1](), w


def trainer(**settings):
    settings = {"max_epochs": 1, "log_every_n_steps": 1} | settings
    return Trainer(default_callbacks=False, runs_dir=None, **settings)


def trained(name, data, batch_size, **settings):
    module, training = net(name), trainer(**settings)
    data = fl.ArrayDataset(*data, dtype="float64")
    history = training.fit(module, fl.DataLoader(data, batch_size))
    return module.state_dict(), {n: v for n, v in history.last().items() if n[:5] == "train"}


def same(found, expected, **close):
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, err_msg=key, **(close or EXACT))


@cases
def test_the_gradient_is_that_of_the_weighted_loss(name):
    module, batch, eps = net(name), arrays(name), 1e-6
    module.train()
    output = module.training_step(batch)
    assert not module.loss._stack
    module.backward(output.dy)
    rng = np.random.default_rng(3)
    for parameter in module.parameters():
        direction = rng.standard_normal(parameter.shape)
        losses = []
        for step in (eps, -eps):
            parameter.data += step * direction
            losses.append(float(module.eval().validation_step(batch).loss))
            parameter.data -= step * direction
        slope = (losses[0] - losses[1]) / (2 * eps)
        assert (parameter.grad * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8)


@cases
def test_a_loss_is_the_weighted_mean_of_the_samples(name):
    module, (x, y, w) = net(name).eval(), arrays(name)
    parts = [module.validation_step((x[i : i + 1], y[i : i + 1])) for i in range(COUNT)]
    output = module.validation_step((x, y, w))
    for value, metric in ((output.loss, "loss"), *((v, n) for n, v in output.metrics.items())):
        counts = [part.denominators.get(metric, 1) for part in parts]
        each = [float(part.loss if metric == "loss" else part.metrics[metric]) for part in parts]
        if metric == "loss" and module.loss.reduction == "sum":
            assert float(value) == pytest.approx(np.dot(each, w), rel=1e-12)
        else:
            shares = w * np.array(counts, float)
            assert float(value) == pytest.approx(np.average(each, weights=shares), rel=1e-12)


@cases
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_equal_weights_give_the_loss_without_weights(name, scale):
    if name.startswith("sum"):
        scale = 1.0
    x, y, _ = arrays(name)
    expected, logged = trained(name, (x, y), 12, accumulate_grad_batches=2)
    found, also_logged = trained(name, (x, y, np.full(COUNT, scale)), 12, accumulate_grad_batches=2)
    same(found, expected)
    assert also_logged == pytest.approx(logged, rel=1e-12)


@cases
def test_a_whole_weight_is_a_sample_repeated(name):
    x, y, _ = arrays(name)
    w = np.random.default_rng(5).integers(0, 4, COUNT)
    expected, logged = trained(name, [np.repeat(a, w, axis=0) for a in (x, y)], w.sum())
    found, also_logged = trained(name, (x, y, w), COUNT)
    same(found, expected)
    if name.startswith("sum"):  # recorded for each sample, of which there are fewer
        del logged["train_loss"], logged["train_loss_step"]
        also_logged = {metric: also_logged[metric] for metric in logged}
    assert also_logged == pytest.approx(logged, rel=1e-12)


@cases
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_accumulated_batches_are_one_batch(name, batch_size):
    expected, logged = trained(name, arrays(name), COUNT)
    found, also_logged = trained(name, arrays(name), batch_size, accumulate_grad_batches=99)
    same(found, expected)
    assert also_logged == pytest.approx(logged, rel=1e-12)


@cases
def test_a_validation_does_not_depend_on_the_batch_size(name):
    module, data = net(name), fl.ArrayDataset(*arrays(name), dtype="float64")
    whole = trainer().validate(module, fl.DataLoader(data, COUNT))
    for size in (1, 4, 7, 23):
        found = trainer().validate(module, fl.DataLoader(data, size))
        assert found == pytest.approx(whole, rel=1e-12), size


def test_fit_takes_three_arrays():
    x, y, w = arrays("classes")
    module = models.MLP(5, 3, hidden=(4,))
    history = trainer(max_epochs=2).fit(module, (x, y, w), (x, y))
    assert {"train_acc", "val_acc"} <= history.last().keys()
    assert trainer().predict(module, (x, y, w)).shape == (COUNT, 3)


@cases
def test_a_loss_may_have_a_replaced_method(name):
    """The check and the profiler replace methods of an object for a while."""
    module, batch = net(name), arrays(name)
    expected = module.training_step(batch).dy
    forward = module.loss.forward
    module.loss.forward = lambda *inputs: forward(*inputs)
    np.testing.assert_array_equal(module.training_step(batch).dy, expected)
    assert module.loss.reduction == CASES[name][0]().reduction


@pytest.mark.slow
def test_callbacks_take_weights(tmp_path):
    x, y, w = arrays("classes")
    module = models.MLP(5, 3, hidden=(4,))
    attached = ["confusion_matrix", "check", "profiler"]
    training = Trainer(max_epochs=1, runs_dir=tmp_path, callbacks=attached)
    training.fit(module, fl.DataSplits((x, y, w), val=(x, y, w), test=(x, y, w)))
    assert training.test(module, (x, y, w))["test_loss"] > 0


def test_tokens_have_weights_of_their_own():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 11, (2, 6, 4))
    w = rng.integers(0, 2, (6, 4)).astype("float64")
    w[0, 0] = 1
    gpt = models.GPT(vocab_size=11, block_size=4, n_layer=1, n_head=2, n_embd=8, dropout=0.0)
    gpt.to(dtype="float64")

    def gradient(batch):
        gpt.zero_grad()
        output = gpt.train().training_step(batch)
        gpt.backward(output.dy)
        return float(output.loss), [p.grad.copy() for p in gpt.parameters()]

    loss, found = gradient((x, y, w))
    expected_loss, expected = gradient((x, np.where(w, y, -100)))  # ignored in place of 0
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **EXACT)


def test_a_resumed_training_is_the_same():
    from firstlight.testing import check_resume

    data = fl.DataSplits(arrays("classes"), batch_size=5)
    check_resume(lambda: models.MLP(5, 3, hidden=(4,)), data, steps=3)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_without_weight_has_no_gradient(accumulate):
    norms = []
    see = callbacks.LambdaCallback(
        on_before_optimizer_step=lambda optimizer: norms.append(optimizer.grad_norm())
    )
    w = np.ones(COUNT)
    w[:8] = 0
    trained("classes", arrays("classes", w), 4, accumulate_grad_batches=accumulate, callbacks=[see])
    empty = 2 // accumulate
    assert norms[:empty] == [0] * empty
    assert 0 not in norms[empty:]


def test_data_without_any_weight_are_an_error():
    with pytest.raises(ValueError, match="nothing counts in the training batches of this epoch"):
        trained("classes", arrays("classes", np.zeros(COUNT)), 8)


class NoReduction(fl.Module):
    def forward(self, prediction, target):
        return np.square(prediction - target).mean()


class OneNumber(nn.MSELoss):
    def forward(self, prediction, target):
        return np.square(prediction - target).mean()


class OldMetrics(nn.MSELoss):
    def metrics(self, prediction, target):
        return {"error": np.abs(prediction - target).mean()}


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (NoReduction(), "NoReduction cannot take sample weights, the third array of a batch"),
        (nn.MSELoss(reduction="none"), "MSELoss cannot take .* 'mean' or 'sum', got 'none'"),
        (
            OneNumber(),
            r"OneNumber cannot .* returned shape \(\) in place of one loss for each of 24",
        ),
        (
            OldMetrics(),
            r"OldMetrics cannot .* write def metrics\(self, prediction, target, sample_",
        ),
    ],
)
def test_losses_that_cannot_take_weights_are_refused(loss, message):
    with pytest.raises(TypeError, match=message):
        FloatNet(loss).validation_step((numbers(5), numbers(3), weights()))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (
            np.ones((COUNT, 2)),
            r"CrossEntropyLoss: expected sample weights of shape \(24,\).*\(24, 2\)",
        ),
        (np.ones((COUNT, 1)), r"one for each sample, got shape \(24, 1\)"),
        (-np.ones(COUNT), r"CrossEntropyLoss: expected sample weights of 0 or more, got -1.0"),
        (np.full(COUNT, np.nan), r"expected sample weights of 0 or more, got nan"),
    ],
)
def test_wrong_weights_are_errors(weight, message):
    with pytest.raises(ValueError, match=message):
        net("classes").validation_step((numbers(5), labels(), weight))


def test_samples_with_weights_are_not_mixed():
    batch = numbers(4, 4, 1).astype("float32"), labels(), weights()
    for mix in (augment.MixUp(num_classes=3), augment.CutMix(num_classes=3)):
        with pytest.raises(ValueError, match="samples with weights cannot be mixed"):
            mix(batch, np.random.default_rng(0))


def test_steps_of_the_users_own_get_three_arrays_as_before():
    class Own(FloatNet):
        def validation_step(self, batch):
            x, y, mask = batch
            loss = self.loss(self(x), np.where(mask > 1, y, -100))
            return fl.StepOutput(loss)

    module, mask = Own(nn.CrossEntropyLoss()), weights()
    plain = FloatNet(nn.CrossEntropyLoss())
    found = module.training_step((numbers(5), labels(), mask))
    expected = plain.training_step((numbers(5), np.where(mask > 1, labels(), -100)))
    np.testing.assert_array_equal(found.dy, expected.dy)


@pytest.mark.gpu
@pytest.mark.forms
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", ["class weights", "squares", "sum"])
def test_a_gpu_weighs_alike_captured_or_not_and_does_not_wait(name, accumulate, counts):
    def run(capture):
        waits = []
        see = callbacks.LambdaCallback(on_train_batch_end=lambda: waits.append(counts["waits"]))
        module = net(name)
        module.configure_optimizer = lambda: optim.SGD(module.parameters(), lr=0.1)
        training = Trainer(
            max_epochs=3,
            accumulate_grad_batches=accumulate,
            default_callbacks=False,
            runs_dir=None,
            callbacks=[see],
            device="cuda",
            capture=capture,
        )
        data = fl.ArrayDataset(*arrays(name), dtype="float64")
        history = training.fit(module, fl.DataLoader(data, 4))
        assert bool(training.loop.step.graphs) == capture
        steps = len(waits) // 3
        assert [len(set(waits[i * steps : (i + 1) * steps])) for i in range(3)] == [1, 1, 1]
        return module.state_dict(), history["train_loss"]

    state, losses = run(True)
    expected, expected_losses = run(False)
    assert losses == expected_losses
    for key, array in expected.items():
        np.testing.assert_array_equal(state[key], array, err_msg=key)
    module = net(name)
    module.configure_optimizer = lambda: optim.SGD(module.parameters(), lr=0.1)
    on_host = trainer(max_epochs=3, accumulate_grad_batches=accumulate)
    data = fl.ArrayDataset(*arrays(name), dtype="float64")
    history = on_host.fit(module, fl.DataLoader(data, 4))
    assert history["train_loss"] == pytest.approx(losses, rel=1e-9)
    same(state, module.state_dict(), rtol=1e-9, atol=1e-9)
