"""Trainer.train_batch: single steps by hand, with the bits of fit."""

import numpy as np
import pytest
from nets import Line, Net

import firstlight as fl
from firstlight import Trainer, callbacks, nn, optim

COUNT = 24


class Dropping(Net):
    def __init__(self):
        fl.seed_everything(1)
        super().__init__(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(COUNT, 5)).astype("float32"), rng.integers(0, 3, COUNT)


def batches(size=8):
    x, y = data()
    return [(x[i : i + size], y[i : i + size]) for i in range(0, COUNT, size)]


def trainer(**settings):
    return Trainer(default_callbacks=False, runs_dir=None, **settings)


def test_the_steps_are_those_of_fit():
    fitted, losses = Dropping(), []
    see = callbacks.LambdaCallback(
        on_train_batch_end=lambda output: losses.append(
            (float(output.loss), float(output.metrics["acc"]))
        )
    )
    training = trainer(max_epochs=2, seed=3, callbacks=[see])
    training.fit(fitted, fl.DataLoader(data(), 8))
    by_hand, stepping, found = Dropping(), trainer(seed=3), []
    for _ in range(2):
        for batch in batches():
            found.append(stepping.train_batch(by_hand, batch))
    assert stepping.step == 6
    assert stepping.optimizer.flat.data.tobytes() == training.optimizer.flat.data.tobytes()
    assert [(one["loss"], one["acc"]) for one in found] == losses
    assert all(type(value) is float for one in found for value in one.values())


def test_steps_after_fit_continue_with_its_optimizer():
    module, more = Dropping(), batches()[0]
    training = trainer(max_epochs=1)
    training.fit(module, data())
    optimizer, steps = training.optimizer, training.step
    training.train_batch(module, more)
    assert training.optimizer is optimizer
    assert training.step == steps + 1


def test_evaluations_between_the_steps_do_not_matter():
    def run(between):
        module, stepping = Dropping(), trainer(seed=3)
        for batch in batches():
            stepping.train_batch(module, batch)
            between(stepping, module)
        return stepping.optimizer.flat.data.tobytes()

    other = Dropping()

    def evaluate(stepping, module):
        stepping.validate(module, data())
        stepping.predict(other, data())
        module.eval()

    assert run(evaluate) == run(lambda *_: None)


def test_weights_logged_values_and_the_trainer():
    class Logging(Dropping):
        def training_step(self, batch):
            self.log("step", self.trainer.step)
            return super().training_step(batch)

    x, y = data()
    module, stepping = Logging(), trainer(seed=3)
    w = np.zeros(COUNT)
    w[:8] = 2.0
    found = [stepping.train_batch(module, (x, y, w)) for _ in range(2)]
    assert [one["step"] for one in found] == [0, 1]
    assert not hasattr(module, "trainer")
    assert set(found[0]) == {"loss", "acc", "step"}


def test_callbacks_are_not_called_and_nothing_is_recorded(tmp_path):
    class Never(fl.Callback):
        def on_before_backward(self):
            raise AssertionError

        on_train_batch_end = on_before_optimizer_step = on_fit_start = on_before_backward

    stepping = Trainer(callbacks=[Never()], runs_dir=tmp_path / "runs")
    metrics = stepping.train_batch(Dropping(), batches()[0])
    assert stepping.history.records == []
    assert not (tmp_path / "runs").exists()
    stepping.log({"train_loss": metrics["loss"]})
    assert stepping.history["train_loss"] == [metrics["loss"]]


def test_two_networks_train_each_other():
    """A one-dimensional GAN: the samples of the generator get near those of the data."""
    rng = np.random.default_rng(0)
    fl.seed_everything(0)

    class Critic(Line):
        def __init__(self):
            super().__init__(width=2)
            self.loss = nn.BCEWithLogitsLoss()

        def forward(self, x):
            self.save(x)
            return super().forward(np.concatenate([x, x * x], axis=1))

        def backward(self, dy):
            (x,) = self.saved()
            dx = super().backward(dy)
            return dx[:, :1] + 2 * x * dx[:, 1:]

        def configure_optimizer(self):
            return optim.Adam(self.parameters(), lr=0.05)

    class Generator(Line):
        def __init__(self, critic):
            super().__init__(width=1)
            self.critic = lambda: critic

        def training_step(self, z):
            critic = self.critic().train()
            score = critic(self(z))
            loss = critic.loss(score, np.ones_like(score))
            dy = critic.backward(critic.loss.backward())
            critic.zero_grad()
            return fl.StepOutput(loss, dy)

        def configure_optimizer(self):
            return optim.Adam(self.parameters(), lr=0.02)

    critic = Critic()
    critic.body.needs_dx = True
    generator = Generator(critic)
    of_critic, of_generator = trainer(), trainer()
    for _ in range(400):
        z = rng.normal(size=(64, 1)).astype("float32")
        real = rng.normal(3, 1, size=(64, 1)).astype("float32")
        x = np.concatenate([real, generator.eval()(z)])
        y = np.repeat([1.0, 0.0], 64)[:, None].astype("float32")
        of_critic.train_batch(critic, (x, y))
        of_generator.train_batch(generator, z)
    made = generator.eval()(rng.normal(size=(1000, 1)).astype("float32"))
    assert abs(made.mean() - 3) < 0.7  # 0 before


def test_each_module_needs_its_own_trainer():
    stepping = trainer()
    stepping.train_batch(Dropping(), batches()[0])
    with pytest.raises(ValueError, match="has the optimizer of another module, got another Dropp"):
        stepping.train_batch(Dropping(), batches()[0])


def test_fit_makes_its_steps_itself():
    class Greedy(fl.Callback):
        def on_train_batch_end(self, trainer, module, batch):
            trainer.train_batch(module, batch)

    with pytest.raises(RuntimeError, match="train_batch: fit is running, and makes the steps"):
        trainer(max_epochs=1, callbacks=[Greedy()]).fit(Dropping(), data())


@pytest.mark.parametrize(
    ("module", "batch", "error", "message"),
    [
        (Dropping, batches()[0], TypeError, r"got the class Dropping; write Dropping\(...\)"),
        (None, data()[0], TypeError, r"Dropping expects batches \(x, y\)"),
        (None, "x, y", TypeError, r"expected batches of arrays"),
    ],
)
def test_wrong_arguments_are_errors(module, batch, error, message):
    with pytest.raises(error, match=message):
        trainer().train_batch(module or Dropping(), batch)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_steps_as_fit():
    def run(by_hand):
        fl.seed_everything(5)
        module = Dropping()
        training = trainer(max_epochs=1, device="cuda", seed=5)
        if by_hand:
            found = [training.train_batch(module, batch) for batch in batches()]
            assert all(type(one["loss"]) is float for one in found)
        else:
            training.fit(module, batches())
        return module.state_dict()

    expected, found = run(False), run(True)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_module_may_ask_for_the_number_of_steps():
    class Asking(Dropping):
        def configure_optimizer(self):
            self.steps = self.trainer.total_steps
            return super().configure_optimizer()

    module = Asking()
    trainer().train_batch(module, batches()[0])
    assert module.steps is None
    trainer(max_epochs=2).fit(module, fl.DataLoader(data(), 8))
    assert module.steps == 6


def test_there_is_no_training_to_save(tmp_path):
    stepping = trainer()
    stepping.train_batch(Dropping(), batches()[0])
    with pytest.raises(RuntimeError, match=r"fit has not run; write the model .* model.save\("):
        stepping.save_checkpoint(tmp_path / "a.safetensors")
