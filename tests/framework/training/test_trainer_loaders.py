"""Loaders and batches of other people's making, and loops that could go wrong with them."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.support.backend import to_host


@pytest.fixture
def batches(line_data):
    x, y = (array.astype("float32") for array in line_data)
    return [(x[i : i + 10], y[i : i + 10]) for i in range(0, 70, 10)]


class Loader:
    def __init__(self, batches, promised=None):
        self.batches, self.promised = batches, promised or len(batches)

    def __len__(self):
        return self.promised

    def __iter__(self):
        return iter(self.batches)


def test_a_list_of_batches(line, batches, quiet):
    trainer = Trainer(max_epochs=2, **quiet)
    trainer.fit(line(), batches, batches)
    assert trainer.step == 14


def test_overfitting_batches_of_a_list(line, batches, quiet):
    history = Trainer(max_epochs=1, overfit_batches=2, **quiet).fit(line(lr=0.0), batches)
    assert history["val_loss"] == pytest.approx(history["train_loss"])


def test_overfitting_leaves_a_loader_as_it_is(line, line_data, quiet):
    loader = fl.DataLoader(line_data, 10, shuffle=True)
    Trainer(max_epochs=1, overfit_batches=2, **quiet).fit(line(), loader)
    assert loader.shuffle


def test_tensors_of_pytorch(line, batches, quiet):
    torch = pytest.importorskip("torch", reason="the batches are PyTorch's")
    tensors = [tuple(map(torch.from_numpy, batch)) for batch in batches]
    trainer = Trainer(max_epochs=1, **quiet)
    trainer.fit(line(), Loader(tensors))
    assert trainer.step == 7


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_loader_that_gives_less_than_it_promised(accumulate, line, batches, quiet):
    trainer = Trainer(max_steps=30, accumulate_grad_batches=accumulate, **quiet)
    with pytest.raises(ValueError, match=r"promised 9 batches \(its len\(\)\) and gave 7"):
        trainer.fit(line(), Loader(batches, promised=9))


def test_no_batches_and_no_end(line, batches, quiet):
    with pytest.raises(ValueError, match="limit_train_batches leaves no batch to train on"):
        Trainer(max_steps=5, limit_train_batches=0, **quiet).fit(line(), batches)


def test_inputs_without_targets(line, line_data, quiet):
    with pytest.raises(
        TypeError, match=r"Line expects batches \(x, y\), got \(float32 \(32, 3\)\)"
    ):
        Trainer(max_epochs=1, **quiet).fit(line(), line_data[0])


def test_batches_that_are_no_arrays(line, quiet):
    with pytest.raises(TypeError, match="expected batches of arrays, .* got a str in one"):
        Trainer(max_epochs=1, **quiet).fit(line(), Loader([("a", "b")]))


def test_gradients_left_by_a_broken_off_fit_do_not_count(line, line_data, quiet):
    class Break(fl.Callback):
        def on_before_optimizer_step(self):
            raise ZeroDivisionError

    def trained(*, broken_before):
        fl.seed_everything(0)
        model = line()
        if broken_before:
            with pytest.raises(ZeroDivisionError):
                Trainer(callbacks=[Break()], **quiet).fit(model, line_data)
        Trainer(max_epochs=1, seed=1, **quiet).fit(model, line_data)
        return to_host(model.body.weight.data).copy()

    np.testing.assert_array_equal(trained(broken_before=True), trained(broken_before=False))


def test_fast_dev_run_validates_whatever_the_interval(line, line_data, quiet):
    history = Trainer(fast_dev_run=True, val_every="500 steps").fit(line(), line_data, line_data)
    assert "val_loss" in history


def test_a_loss_without_metrics(line, line_data, quiet):
    class Loss(fl.Module):
        def forward(self, y, target):
            self.save(y - target)
            return np.mean((y - target) ** 2)

        def backward(self):
            (difference,) = self.saved()
            return 2 * difference / difference.size

    model = line()
    model.loss = Loss()
    history = Trainer(max_epochs=1, **quiet).fit(model, line_data)
    assert list(history) == ["train_loss", "lr", "epoch_seconds"]


def test_a_forward_too_many_is_noticed_at_the_epochs_end(line, line_data, quiet):
    class Twice(line):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 3:
                self.body(x)
            return self.body(x)

    with pytest.raises(RuntimeError, match="were not undone"):
        Trainer(max_epochs=1, **quiet).fit(Twice(), line_data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": "text"}, "log: expected a number for 'a', got 'text'"),
        ({"a": np.ones(2)}, "log: expected a number for 'a'"),
        ({"step": 3}, "log: 'step' is taken; every record has step, epoch, time"),
    ],
)
def test_what_cannot_be_logged(values, message, quiet):
    with pytest.raises((TypeError, ValueError), match=message):
        Trainer(**quiet).log(values)


def test_numpy_numbers_can_be_logged(quiet):
    trainer = Trainer(**quiet)
    trainer.log({"a": np.float32(0.5), "b": np.array(2)})
    assert trainer.metrics == {"a": 0.5, "b": 2.0}
    assert type(trainer.metrics["a"]) is float
