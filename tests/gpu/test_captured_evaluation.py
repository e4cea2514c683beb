"""Validation, test and prediction as graphs: the bits of launches, few of them, and no waiting."""

import logging

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import DataLoader, Trainer, models, nn, optim
from firstlight.training import captures

pytestmark = pytest.mark.gpu


class Net(nets.Net):
    """A network that behaves differently in training and evaluation."""

    def __init__(self):
        layers = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)]
        super().__init__(*layers, nn.Linear(32, 4), optimizer=lambda p: optim.SGD(p, lr=0.1))


class Scored(fl.data.ArrayDataset):
    """Data with a metric and a weight of their own."""

    def metrics(self, prediction, batch):
        return {"first": (prediction.argmax(axis=1) == 0).mean()}

    def weight(self, batch):
        return 2 * len(batch[0])


def images(count=22, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, 6, 6, 1), "float32"), rng.integers(0, 4, count)


def weighted(count=22):
    return *images(count), np.random.default_rng(5).random(count, "float32")


def tokens(count=11):
    return tuple(np.random.default_rng(1).integers(0, 11, (2, count, 6)))


def gpt():
    return models.GPT(vocab_size=11, block_size=6, n_layer=2, n_head=2, n_embd=8, dropout=0.2)


def loader(data):
    return DataLoader(data, batch_size=4)


CASES = {
    "images": (Net, lambda: loader(images(22, 1))),
    "named": (Net, lambda: {"a": loader(images(22, 1)), "b": loader(images(9, 2))}),
    "scored": (Net, lambda: loader(Scored(*images(22, 1)))),
    "weighted": (Net, lambda: loader(weighted())),
    "gpt": (gpt, lambda: loader(tokens())),
}


def settings(**more):
    return {"default_callbacks": False, "runs_dir": None, "device": "cuda"} | more


def trained(make, val_data, epochs=3, **more):
    fl.seed_everything(3)
    module = make()
    data = loader(tokens() if make is gpt else images())
    trainer = Trainer(**settings(max_epochs=epochs, **more))
    history = trainer.fit(module, data, val_data)
    return trainer, module, history


def graphs_of(trainer):
    return [graph for one in trainer.loop.evaluator.captures.values() for graph in one.graphs]


@pytest.mark.parametrize("name", CASES)
def test_a_captured_validation_has_the_bits_of_an_uncaptured_one(name):
    make, data = CASES[name]
    trainer, module, found = trained(make, data())
    assert graphs_of(trainer), "nothing was captured"
    other, same, expected = trained(make, data(), capture=False)
    assert not graphs_of(other)
    names = [key for key in found.records[-1] if key.startswith("val")]
    assert len(names) >= 1
    for key in names:
        assert found[key] == expected[key], key
    one, other = (
        [t.test(m, data()), t.validate(m, data())] for t, m in ((trainer, module), (other, same))
    )
    assert one == other


def test_a_shape_is_captured_once_in_a_training(monkeypatch):
    calls, captured = [], captures.captured
    monkeypatch.setattr(captures, "captured", lambda *a: calls.append(1) or captured(*a))
    trainer, _, _ = trained(Net, loader(images(22, 1)), epochs=5)
    kinds = len(trainer.loop.step.graphs) + len(graphs_of(trainer))
    assert len(calls) == kinds == 4, "two shapes of batches in training, two in validation"


class Keep(fl.Callback):
    """Keeps what it gets, without a copy."""

    def __init__(self):
        self.kept = []

    def on_validation_batch_end(self, output):
        self.kept += [output.prediction, output.loss, *output.metrics.values()]


def test_a_callback_may_keep_the_output_of_a_batch():
    found = []
    for capture in (True, False):
        keep = Keep()
        trainer, _, _ = trained(Net, loader(images(22, 1)), callbacks=[keep], capture=capture)
        assert bool(graphs_of(trainer)) == capture
        found.append([part.get() for part in keep.kept])
    assert len(found[0]) == 3 * 6 * 3
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


class Counts(fl.Callback):
    """Notes how often the host has waited, and what was launched, after each batch."""

    def __init__(self, counts):
        self.counts, self.noted = counts, []

    def on_validation_start(self):
        self.noted.append([])

    def on_validation_batch_end(self, trainer):
        self.noted[-1].append((self.counts["waits"], self.counts["launches"]))


@pytest.mark.parametrize("name", CASES)
def test_the_host_waits_at_the_end_of_a_validation_only(name, counts):
    make, data = CASES[name]
    for capture in (True, False):
        noting = Counts(counts)
        trained(make, data(), callbacks=[noting], capture=capture)
        for noted in noting.noted[1:]:
            assert len({waits for waits, _ in noted}) == 1


def test_a_captured_batch_is_a_few_launches(counts):
    found = {}
    for capture in (True, False):
        noting = Counts(counts)
        trained(Net, loader(images(40, 1)), callbacks=[noting], capture=capture)
        before, after = noting.noted[-1][2:4]
        found[capture] = after[1] - before[1]
    # The graph, two that gather the batch and two that put it there; the others are for callbacks.
    assert found[True] <= 8 < 14 <= found[False]


class Waits(Net):
    def forward(self, x):
        y = self.body(x)
        return y if self.training or float(y[0, 0]) < 1e9 else 0 * y


class Samples(Net):
    """Draws masks in evaluation, too."""

    def eval(self, **options):
        super().eval(**options)
        self.body[4].training = True
        return self


class Own(Net):
    def validation_step(self, batch):
        return super().validation_step(batch)


class Host(Net):
    """Has a number of the host among its metrics."""

    def forward(self, x):
        if not self.training:
            self.log("constant", 0.5)
        return self.body(x)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Waits, "y if self.training or float(y[0, 0]) < 1e9 else 0 * y)"),
        (Samples, "random numbers are drawn in evaluation"),
        (Own, "Own overrides validation_step"),
        (Host, "has a number of the host, which would be frozen in a graph"),
    ],
)
def test_what_cannot_be_captured_is_told_and_evaluated_all_the_same(make, reason, caplog):
    data = {"a": loader(images(22, 1)), "b": loader(images(22, 2))}
    with caplog.at_level(logging.WARNING, "firstlight"):
        trainer, _, found = trained(make, data)
    assert not graphs_of(trainer)
    messages = [record.getMessage() for record in caplog.records if reason in record.getMessage()]
    about = [message for message in messages if message.startswith("evaluations")]
    assert len(about) == 1
    _, _, expected = trained(make, data, capture=False)
    for key in ("val_loss", "val_acc", "val_loss/b", "train_loss"):
        assert found[key] == expected[key]


class Pairs(Net):
    def predict_step(self, batch):
        scores = self(batch[0])
        return {"scores": scores, "both": (scores.argmax(axis=1), scores.max(axis=1))}


@pytest.mark.parametrize("capturable", [True, None])
@pytest.mark.parametrize("make", [Net, Pairs])
def test_captured_predictions_have_the_bits_of_uncaptured_ones(make, capturable, monkeypatch):
    calls, captured = [], captures.captured
    monkeypatch.setattr(captures, "captured", lambda *a: calls.append(1) or captured(*a))
    monkeypatch.setattr(Net, "capturable", capturable)
    fl.seed_everything(1)
    module, found = make(), []
    for capture in (True, False):
        found.append(Trainer(**settings(capture=capture)).predict(module, loader(images(22, 1))))
    assert len(calls) == (0 if make is Pairs and capturable is None else 1)
    one, other = ([x, *x.pop("both"), *x.values()] if isinstance(x, dict) else [x] for x in found)
    for a, b in zip(one[make is Pairs :], other[make is Pairs :], strict=True):
        assert len(a) == 22
        np.testing.assert_array_equal(a, b)


def test_a_loss_by_hand_of_the_host_is_not_frozen():
    """A value of the host would be added once, at the capture."""

    class Fixed(nn.CrossEntropyLoss):
        def metrics(self, prediction, target):
            return {"fixed": 0.25}

    class Constant(Net):
        def __init__(self):
            super().__init__()
            self.loss = Fixed()

    trainer, _, history = trained(Constant, loader(images(22, 1)))
    assert "'fixed' is a number of the host" in trainer.loop.step.reason
    assert history["train_fixed"] == history["val_fixed"] == [0.25] * 3
