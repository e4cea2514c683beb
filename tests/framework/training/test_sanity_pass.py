"""The sanity pass over validation before a training: it fails at once, and changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from nets import Line

import firstlight as fl
from firstlight import Trainer, nn
from firstlight.runs.records import read_records


def changed(line, **methods):
    """Make a module like ``line`` with other methods."""
    return type("Net", (line,), methods)()


def broken(self, batch):
    raise ValueError("no such class")


class Counts(Line):
    """Count the batches of each validation by its step."""

    def validation_step(self, batch):
        if not self.training:
            self.seen = [*getattr(self, "seen", []), self.trainer.step]
        return super().validation_step(batch)


def test_a_validation_that_fails_does_so_before_a_run_is_written(line, line_data):
    trainer = Trainer(max_epochs=3)
    with pytest.raises(ValueError, match="no such class") as error:
        trainer.fit(changed(line, validation_step=broken), line_data, line_data)
    assert "in the sanity pass over validation, before the training" in error.value.__notes__[0]
    assert "num_sanity_val_steps=0 leaves" in error.value.__notes__[0].replace("(", "").replace(
        ")", ""
    )
    assert (trainer.step, trainer.run) == (0, None)
    assert not Path("runs").exists()


def test_a_metric_that_does_not_fit_fails_before_the_training(line_data, quiet):
    trainer = Trainer(max_epochs=3, metrics=["f1"], **quiet)
    with pytest.raises(TypeError, match="F1: expected integer class labels") as error:
        trainer.fit(Line(), line_data, line_data)
    assert "in the sanity pass over validation" in "".join(error.value.__notes__)
    assert trainer.step == 0


@pytest.mark.parametrize("steps", [0, -1])
def test_metrics_by_name_are_those_without_the_pass(steps, line_data, quiet):
    trainer = Trainer(max_epochs=2, metrics=["mae"], num_sanity_val_steps=steps, seed=0, **quiet)
    history = trainer.fit(Line(), line_data, line_data)
    assert len(history["val_mae"]) == 2
    assert history["val_mae"][-1] == trainer.validate(trainer.module, line_data)["val_mae"]


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, 2),
        ({"num_sanity_val_steps": 1}, 1),
        ({"num_sanity_val_steps": -1}, 3),
        ({"num_sanity_val_steps": 99}, 3),
        ({"num_sanity_val_steps": 0}, 0),
        ({"limit_val_batches": 1}, 1),
        ({"limit_val_batches": 1, "num_sanity_val_steps": -1}, 1),
        ({"fast_dev_run": True}, 0),
        ({"overfit_batches": 1}, 0),
    ],
)
def test_as_many_batches_as_wanted(settings, batches, line_data, quiet):
    model = Counts()
    Trainer(**{"max_epochs": 1} | settings, **quiet).fit(model, line_data, line_data)
    assert model.seen.count(0) == batches
    assert len(model.seen) > batches


@pytest.mark.parametrize("number", [-2, 1.5, True])
def test_a_bad_number(number, quiet):
    with pytest.raises((ValueError, TypeError), match="num_sanity_val_steps: expected"):
        Trainer(num_sanity_val_steps=number, **quiet)


class Drawing(fl.Module):
    """Draw from every source of random numbers there is, in training and in validation."""

    def __init__(self):
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
        self.loss, self.rng = nn.MSELoss(), np.random.default_rng(5)

    def _noise(self):
        import random

        drawn = [self.rng.random(), random.random(), np.random.rand()]  # noqa: NPY002
        return sum(drawn) + fl.support.rng.stream("dropout").random()

    def training_step(self, batch):
        x, y = batch
        return super().training_step((x + np.float32(self._noise()), y))

    def validation_step(self, batch):
        x, y = batch
        return super().validation_step((x + np.float32(self._noise()), y))

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=0.01)


class Noisy:
    """A data set with a generator of its own."""

    def __init__(self, x, y):
        self.x, self.y, self.rng = (
            x.astype("float32"),
            y.astype("float32"),
            np.random.default_rng(1),
        )

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + np.float32(self.rng.random()), self.y[index]


def test_the_training_is_the_same_bit_for_bit(line_data, tmp_path):
    def trained(steps):
        fl.seed_everything(3)
        np.random.seed(1)  # noqa: NPY002
        import random

        random.seed(2)
        model = Drawing()
        used = fl.DataLoader(Noisy(*line_data), 8, shuffle=True)
        next(iter(used))  # a position that is not the first
        trainer = Trainer(max_epochs=2, num_sanity_val_steps=steps, runs_dir=tmp_path / str(steps))
        trainer.fit(model, line_data, used)
        records = [
            {name: value for name, value in one.items() if name not in ("time", "epoch_seconds")}
            for one in read_records(trainer.run.path)
        ]
        state = model.state_dict() | trainer.optimizer.state_dict()["arrays"]
        return {name: np.array(array).tobytes() for name, array in state.items()}, records

    assert trained(2) == trained(0)
    assert trained(-1) == trained(0)


def test_no_callback_sees_it(line, line_data, quiet):
    class Sees(fl.Callback):
        def on_validation_start(self, trainer):
            seen.append(trainer.step)

        def on_validation_batch_end(self, trainer):
            seen.append(trainer.step)

    seen = []
    trainer = Trainer(max_epochs=1, callbacks=[Sees()], **quiet)
    trainer.fit(line(), line_data, line_data)
    assert set(seen) == {3}
    assert len(trainer.history.records) == 1


def test_frozen_parts_stay_in_their_mode(line_data, quiet):
    class Freezes(fl.Callback):
        def setup(self, module):
            module.body.eval()

        def on_fit_start(self, module):
            modes.extend([module.training, module.body.training])

    modes = []
    Trainer(max_epochs=1, callbacks=[Freezes()], **quiet).fit(Counts(), line_data, line_data)
    assert modes == [True, False]


def test_a_resumed_training_needs_none(line_data):
    trainer = Trainer(max_epochs=1, default_callbacks=False, callbacks=["model_checkpoint"])
    trainer.fit(Counts(), line_data, line_data)
    trainer.max_epochs, model = 2, Counts()
    trainer.fit(model, line_data, line_data, resume="last")
    assert set(model.seen) == {6}
    fresh = Counts()
    trainer = Trainer(max_epochs=1, name="another", default_callbacks=False)
    trainer.fit(fresh, line_data, line_data, resume="auto")
    assert fresh.seen[:2] == [0, 0]


def test_first_batches_in_which_nothing_counts_are_no_error(quiet):
    x = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
    y = np.arange(12) % 2
    hidden = np.where(np.arange(12) < 8, -100, y)
    model = fl.models.MLP(3, 2, hidden=(4,))
    batches = [(x[i : i + 4], hidden[i : i + 4]) for i in (0, 4, 8)]
    history = Trainer(max_epochs=1, **quiet).fit(model, [(x, y)], batches)
    assert len(history["val_loss"]) == 1


def test_loaders_of_other_classes_are_left_alone(line, line_data, quiet):
    class Once:
        """Give each batch once in its life."""

        def __init__(self):
            x, y = (array.astype("float32") for array in line_data)
            self.rest = iter([(x[:8], y[:8]), (x[8:16], y[8:16])])

        def __iter__(self):
            return self.rest

        def __len__(self):
            return 2

    model = Counts()
    Trainer(max_epochs=1, **quiet).fit(model, line_data, Once())
    assert model.seen == [3, 3]
