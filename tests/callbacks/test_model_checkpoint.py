"""Which states ModelCheckpoint keeps, and when."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.support.backend import to_host


class Scores(fl.Callback):
    """Log given values under a name, one an epoch, before readers look."""

    role = fl.Role.WRITER

    def __init__(self, name, values):
        self.name, self.values = name, values

    def on_train_epoch_end(self, trainer):
        trainer.log({self.name: self.values[trainer.epoch - 1]})


class Weights(fl.Callback):
    """Remember the weights after every step."""

    def __init__(self):
        self.after = {}

    def on_train_batch_end(self, trainer, module):
        self.after[trainer.step] = to_host(module.body.weight.data).copy()


class Raises(fl.Callback):
    def __init__(self, error, step):
        self.error, self.step = error, step

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            raise self.error


@pytest.fixture
def fit(line, line_data):
    def run(*callbacks, data=line_data, val_data=line_data, fails=None, **settings):
        settings = {"max_epochs": 3, "runs_dir": "runs"} | settings
        trainer = fl.Trainer(callbacks=list(callbacks), default_callbacks=False, **settings)
        if fails:
            with pytest.raises(fails):
                trainer.fit(line(), data, val_data)
        else:
            trainer.fit(line(), data, val_data)
        return trainer

    return run


def saved(trainer, which):
    return Checkpoint.load(trainer.run.checkpoints / f"{which}.safetensors")


def test_last_and_best_hold_the_states_of_their_steps(fit):
    weights = Weights()
    trainer = fit(weights, Scores("f1", [0.1, 0.9, 0.5]), ModelCheckpoint("f1"))
    best, last = saved(trainer, "best"), saved(trainer, "last")
    assert (best.step, best.epoch, last.step, last.epoch) == (6, 2, 9, 3)
    assert np.array_equal(best.model["body.weight"], weights.after[6])
    assert np.array_equal(last.model["body.weight"], weights.after[9])
    assert last.progress["metrics"]["f1"] == 0.5
    assert sorted(p.name for p in trainer.run.checkpoints.iterdir()) == [
        "best.safetensors",
        "last.safetensors",
    ]


@pytest.mark.parametrize(
    ("mode", "epoch"), [("auto", 2), ("min", 2), ("max", 1)], ids=["auto", "min", "max"]
)
def test_mode(fit, mode, epoch):
    trainer = fit(Scores("error", [0.9, 0.1, 0.5]), ModelCheckpoint("error", mode))
    assert saved(trainer, "best").epoch == epoch


def test_nan_is_never_best(fit):
    trainer = fit(Scores("error", [float("nan"), 0.9, float("nan")]), ModelCheckpoint("error"))
    assert saved(trainer, "best").epoch == 2


def test_auto_takes_the_loss_though_accuracy_is_logged(fit, line, line_data):
    class Accuracy(line):
        scores = iter([0.2, 0.8, 0.4])

        def validation_step(self, batch):
            output = super().validation_step(batch)
            if not self.training:
                output.metrics["acc"] = self.score
            return output

        def train(self, mode=True):
            if mode:
                self.score = next(self.scores, 0.0)
            return super().train(mode)

    module = Accuracy()
    module.scores = iter([0.0, 0.2, 0.8, 0.4, 0.0])
    checkpoint = ModelCheckpoint()
    trainer = fl.Trainer(max_epochs=3, callbacks=[checkpoint], default_callbacks=False)
    trainer.fit(module, line_data, line_data)
    losses, accuracies = trainer.history["val_loss"], trainer.history["val_acc"]
    assert np.argmin(losses) != np.argmax(accuracies)
    assert checkpoint.monitor.followed == "val_loss"
    assert saved(trainer, "best").epoch == 1 + int(np.argmin(losses))


def test_auto_moves_on_to_validation_when_there_is_one(fit):
    checkpoint = ModelCheckpoint()
    trainer = fit(checkpoint, val_every=2)
    assert checkpoint.monitor.followed == "val_loss"
    assert saved(trainer, "best").epoch == 2
    checkpoint = ModelCheckpoint()
    trainer = fit(checkpoint, val_data=None)
    assert checkpoint.monitor.followed == "train_loss"
    assert saved(trainer, "best").epoch == 3


def test_best_between_epochs_is_saved_at_its_step(fit):
    weights = Weights()
    trainer = fit(weights, ModelCheckpoint("val_loss"), val_every="2 steps", max_steps=5)
    best = saved(trainer, "best")
    assert trainer.history.steps("val_loss") == [2, 4]
    assert best.step == trainer.history.best("val_loss")["step"] == 4
    assert np.array_equal(best.model["body.weight"], weights.after[4])
    assert saved(trainer, "last").step == 5


def test_checkpoints_at_the_end_of_an_epoch_hold_what_other_callbacks_know_then(fit):
    class Counts(fl.Callback):
        count = 0

        def on_log(self, record):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

    trainer = fit(ModelCheckpoint("train_loss"), Counts(), max_epochs=1)
    states = saved(trainer, "best").callbacks
    assert [state for name, state in states.items() if "Counts" in name] == [{"count": 1}]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_within_a_step_leaves_last_alone(fit, error):
    weights = Weights()
    trainer = fit(weights, ModelCheckpoint(), Raises(error("boom"), step=5), fails=error)
    assert saved(trainer, "last").step == 3  # the epoch's end: a resume must be exact
    assert saved(trainer, "exception").step == 5
    assert np.array_equal(saved(trainer, "exception").model["body.weight"], weights.after[5])


def test_an_error_between_steps_saves_last(fit):
    class Loader:
        def __len__(self):
            return 3

        def __iter__(self):
            x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
            yield x, y
            yield x, y
            raise RuntimeError("disk gone")

    trainer = fit(ModelCheckpoint(), fails=RuntimeError, data=Loader())
    assert saved(trainer, "last").step == 2
    assert not (trainer.run.checkpoints / "exception.safetensors").exists()


def test_a_half_made_step_is_not_saved(fit, monkeypatch):
    update, calls = fl.optim.SGD.update, []

    def breaks(self, *arguments):
        update(self, *arguments)
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("power cut")

    monkeypatch.setattr(fl.optim.SGD, "update", breaks)
    trainer = fit(ModelCheckpoint(), fails=RuntimeError)
    assert saved(trainer, "last").step == 3  # the end of the first epoch


def test_last_after_the_first_ctrl_c(fit):
    class CtrlC(fl.Callback):
        def on_train_batch_end(self, trainer):
            trainer.interrupt.requested = trainer.step == 5

    trainer = fit(CtrlC(), ModelCheckpoint())
    assert trainer.status == "interrupted"
    assert saved(trainer, "last").step == 5


def test_without_last(fit):
    trainer = fit(ModelCheckpoint(save_last=False))
    assert [p.name for p in trainer.run.checkpoints.iterdir()] == ["best.safetensors"]


def test_without_a_run_nothing_is_written(fit, tmp_path):
    fit(ModelCheckpoint(), runs_dir=None)
    assert not list(tmp_path.iterdir())


def test_best_weights_can_be_tested(fit, line, line_data):
    trainer = fit(ModelCheckpoint("val_loss"))
    again = trainer.validate(line(), line_data, checkpoint="best")
    assert again["val_loss"] == pytest.approx(min(trainer.history["val_loss"]))


def test_the_state_goes_into_the_checkpoint_and_comes_back(fit):
    checkpoint = ModelCheckpoint("val_loss")
    trainer = fit(checkpoint)
    state = saved(trainer, "last").callbacks["ModelCheckpoint.1"]
    assert state == checkpoint.state_dict() == json.loads(json.dumps(state))
    assert state["best"] == min(trainer.history["val_loss"])
    restored = ModelCheckpoint("val_loss")
    restored.load_state_dict(state)
    worse = {"step": 10, "epoch": 4, "val_loss": state["best"] + 1}
    assert restored.monitor.update(worse) is False
    other = ModelCheckpoint("train_loss")
    other.load_state_dict(state)  # another value: its best says nothing here
    assert other.monitor.best is None


def test_a_second_fit_starts_anew(fit):
    checkpoint = ModelCheckpoint("error")
    fit(Scores("error", [0.1, 0.2, 0.3]), checkpoint)
    trainer = fit(Scores("error", [0.9, 0.8, 0.7]), checkpoint)
    assert saved(trainer, "best").epoch == 3


def test_a_missing_monitor_is_named_at_the_first_epoch(fit):
    checkpoint = ModelCheckpoint("val_err")
    with pytest.raises(
        ValueError,
        match=r"ModelCheckpoint: monitor='val_err' was not logged; "
        r"there are: epoch_seconds, lr, train_loss, val_loss",
    ):
        fit(checkpoint)
    with pytest.raises(ValueError, match="validation values need validation data"):
        fit(ModelCheckpoint("val_loss"), val_data=None)


def test_a_monitor_that_never_came_is_a_warning_at_the_end(fit):
    with pytest.warns(UserWarning, match="monitor='val_loss' was not logged; .*not written"):
        trainer = fit(ModelCheckpoint("val_loss"), val_every=9)
    assert trainer.status == "finished"
    assert saved(trainer, "last").step == 9


def test_a_bad_mode_is_an_error():
    with pytest.raises(ValueError, match='expected "auto", "min" or "max", got "?\'?biggest'):
        ModelCheckpoint(mode="biggest")
