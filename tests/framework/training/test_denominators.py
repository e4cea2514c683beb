"""What counts: batches that are accumulated or evaluated are sums over sums of denominators."""

import numpy as np
import pytest
from nets import FloatNet

import firstlight as fl
from firstlight import StepOutput, Trainer, callbacks, models, nn, optim

COUNT = 24
EXACT = {"rtol": 1e-12, "atol": 1e-12}


class Plain(FloatNet):
    """Knows nothing of denominators: its own step, with a loss that is a mean over samples."""

    def training_step(self, batch):
        x, y = batch
        y_hat = self(x)
        d = y_hat - y
        return StepOutput((d * d).sum(axis=1).mean(), 2 * d / len(d), {"size": np.abs(d).mean()})

    def validation_step(self, batch):
        x, y = batch
        return StepOutput(np.square(self(x) - y).sum(axis=1).mean())


class PerSample(nn.CrossEntropyLoss):
    """A loss of the user's own, a mean over samples, which knows nothing of denominators."""

    def forward(self, prediction, target):
        self.save(prediction, target)
        return np.square(prediction - target).sum() / len(target)

    def backward(self, dloss=1.0):
        prediction, target = self.saved()
        return 2 * dloss * (prediction - target) / len(target)

    def metrics(self, prediction, target):
        return {}


class Weighing(FloatNet):
    """Weighs each sample by its last target, and says so."""

    def training_step(self, batch):
        x, y = batch
        y, w = y[:, :2], np.abs(y[:, 2:])
        d = self(x) - y
        total = w.sum()
        loss, error = (w * d * d).sum() / total, (w * np.abs(d)).sum() / total
        told = {"loss": total, "error": total}
        return StepOutput(loss, 2 * w * d / total, {"error": error}, denominators=told)

    validation_step = training_step


def labels():
    """Labels of which many are ignored: all of the first four, and of others some."""
    y = np.random.default_rng(0).integers(0, 3, COUNT)
    y[:4] = -100
    y[9:12] = -100
    y[17] = -100
    return y


def numbers(*shape, seed=2):
    return np.random.default_rng(seed).standard_normal((COUNT, *shape))


def shares():
    q = np.abs(numbers(3)) + 0.1
    return q / q.sum(axis=1, keepdims=True)


WEIGHT = [1.0, 0.2, 5.0]
CASES = {
    "ignored": (lambda: FloatNet(nn.CrossEntropyLoss()), labels),
    "weights": (lambda: FloatNet(nn.CrossEntropyLoss(WEIGHT)), lambda: abs(labels()) % 3),
    "weights and ignored": (lambda: FloatNet(nn.CrossEntropyLoss(WEIGHT)), labels),
    "a class without weight": (lambda: FloatNet(nn.CrossEntropyLoss([0.0, 1.0, 2.0])), labels),
    "smoothing": (lambda: FloatNet(nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2)), labels),
    "soft targets": (lambda: FloatNet(nn.CrossEntropyLoss(WEIGHT)), shares),
    "sum": (lambda: FloatNet(nn.CrossEntropyLoss(WEIGHT, reduction="sum")), labels),
    "binary": (
        lambda: FloatNet(nn.BCEWithLogitsLoss(pos_weight=[3.0, 1.0, 0.5])),
        lambda: (numbers(3) > 0) * 1.0,
    ),
    "regression": (lambda: FloatNet(nn.HuberLoss()), lambda: numbers(3)),
    "sum of squares": (lambda: FloatNet(nn.MSELoss(reduction="sum")), lambda: numbers(3)),
    "a step that knows nothing of it": (lambda: Plain(nn.MSELoss()), lambda: numbers(3)),
    "a loss that knows nothing of it": (lambda: FloatNet(PerSample()), lambda: numbers(3)),
    "a step that tells": (lambda: Weighing(nn.MSELoss(), out=2), lambda: numbers(3)),
}


def splits(y):
    return fl.ArrayDataset(numbers(5, seed=1), y, dtype="float64")


def trained(make, y, batch_size, accumulate, device="cpu"):
    module = make()
    trainer = Trainer(
        max_epochs=1,
        accumulate_grad_batches=accumulate,
        default_callbacks=False,
        runs_dir=None,
        log_every_n_steps=1,
        device=device,
    )
    history = trainer.fit(module, fl.DataLoader(splits(y), batch_size))
    assert trainer.step == 1
    return module.state_dict(), {n: v for n, v in history.last().items() if n[:5] == "train"}


@pytest.mark.parametrize("batch_size", [1, 4, 7])
@pytest.mark.parametrize("name", CASES)
def test_accumulated_batches_are_one_batch(name, batch_size):
    make, target = CASES[name]
    expected, logged = trained(make, target(), COUNT, 1)
    found, also_logged = trained(make, target(), batch_size, -(-COUNT // batch_size))
    assert any(
        np.abs(expected[key] - array).max() > 0.01 for key, array in make().state_dict().items()
    )
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, err_msg=key, **EXACT)
    assert also_logged == pytest.approx(logged, rel=1e-12)
    assert {"train_loss", "train_loss_step"} <= logged.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_validation_does_not_depend_on_the_batch_size(name):
    make, target = CASES[name]
    module, data = make(), splits(target())
    trainer = Trainer(default_callbacks=False, runs_dir=None)
    whole = trainer.validate(module, fl.DataLoader(data, COUNT))
    for size in (1, 4, 7, 23):
        found = trainer.validate(module, fl.DataLoader(data, size))
        assert found == pytest.approx(whole, rel=1e-12), size


def test_accuracy_counts_rows_and_the_loss_their_weights():
    make, target = CASES["weights and ignored"]
    module, y = make(), target()
    x = numbers(5, seed=1)
    found = Trainer(default_callbacks=False, runs_dir=None).validate(
        module, fl.DataLoader(splits(y), 5)
    )
    logits = module.body.eval()(x)
    kept = y >= 0
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    w = np.array(WEIGHT)[y[kept]]
    assert found["val_loss"] == pytest.approx(-(w * log_p[kept, y[kept]]).sum() / w.sum())
    assert found["val_acc"] == (logits.argmax(axis=1) == y)[kept].mean()


def tokens():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 11, (12, 6)), rng.integers(0, 11, (12, 6))
    for row in range(12):
        y[row, row % 7 :] = -100  # of the rows 0 and 7 nothing counts
    return x, y


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_language_model_counts_tokens(batch_size):
    def run(size, accumulate):
        fl.seed_everything(1)
        net = models.GPT(vocab_size=11, block_size=6, n_layer=1, n_head=2, n_embd=8)
        net.to(dtype="float64").configure_optimizer = lambda: optim.SGD(net.parameters(), lr=1.0)
        trainer = Trainer(
            max_epochs=1, accumulate_grad_batches=accumulate, default_callbacks=False, runs_dir=None
        )
        history = trainer.fit(net, fl.DataLoader(tokens(), size), fl.DataLoader(tokens(), size))
        return net.state_dict(), history.last()

    expected, logged = run(12, 1)
    found, also_logged = run(batch_size, 99)
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, err_msg=key, **EXACT)
    for name in ("train_loss", "val_loss"):
        assert also_logged[name] == pytest.approx(logged[name], rel=1e-12)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_in_which_nothing_counts_has_no_gradient(accumulate):
    y, norms = labels(), []
    y[:8] = -100
    trainer = Trainer(
        max_epochs=1,
        accumulate_grad_batches=accumulate,
        default_callbacks=False,
        runs_dir=None,
        log_every_n_steps=1,
        callbacks=[
            callbacks.LambdaCallback(
                on_before_optimizer_step=lambda optimizer: norms.append(optimizer.grad_norm())
            )
        ],
    )
    history = trainer.fit(CASES["ignored"][0](), fl.DataLoader(splits(y), 4))
    empty = 2 // accumulate
    assert norms[:empty] == [0] * empty
    assert 0 not in norms[empty:]
    assert len(history["train_loss_step"]) == len(norms) - empty
    assert np.isfinite(history["train_loss"]).all()


def test_an_epoch_in_which_nothing_counts_is_an_error():
    message = "nothing counts in the training batches of this epoch: each target is the loss's"
    with pytest.raises(ValueError, match=message):
        trained(CASES["ignored"][0], np.full(COUNT, -100), 8, 1)


def test_a_validation_in_which_nothing_counts_is_an_error():
    trainer = Trainer(default_callbacks=False, runs_dir=None)
    data = splits(np.full(COUNT, -100))
    with pytest.raises(ValueError, match=r"nothing counts in the test data: each target is"):
        trainer.test(CASES["ignored"][0](), fl.DataLoader(data, 7))


def test_denominators_have_names():
    class Wrong(Weighing):
        def training_step(self, batch):
            output = super().training_step(batch)
            output.denominators = 3.0
            return output

    with pytest.raises(TypeError, match=r"Wrong.training_step: expected denominators as a dict"):
        trained(lambda: Wrong(nn.MSELoss(), out=2), numbers(3), 4, 1)


def test_a_denominator_is_one_number():
    class Wrong(Weighing):
        def training_step(self, batch):
            output = super().training_step(batch)
            output.denominators = {"loss": np.abs(batch[1][:, 2])}
            return output

    message = r"Wrong.training_step: expected a single number as denominator of 'loss', .* \(24,\)"
    with pytest.raises(TypeError, match=message):
        trained(lambda: Wrong(nn.MSELoss(), out=2), numbers(3), COUNT, 1)
