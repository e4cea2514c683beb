"""Resume: a training that was broken off ends with the bytes of one that was not."""

import json

import nets
import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import callbacks, nn, optim
from firstlight.runs.records import read_records
from firstlight.runs.run_files import read_status
from firstlight.support.backend import to_host
from firstlight.testing import TinyNet, tiny_data


class Net(nets.Net):
    """Everything that has a state: batch statistics, dropout of two kinds, momentum."""

    def __init__(self):
        super().__init__(
            nn.Linear(3, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, 8),
            nn.Dropout(0.2, rng=np.random.default_rng(9)),
            nn.Linear(8, 2),
            optimizer=lambda p: optim.AdamW(p, lr=0.05),
        )


def noisy(batch, rng):
    x, y = batch
    return x + rng.normal(0, 0.1, x.shape).astype("float32"), y


def data():
    splits = tiny_data()
    splits.transform = noisy
    return splits


def trainer(**settings):
    used = [
        callbacks.LRSchedule("cosine", total_steps=30, warmup_steps=3),
        callbacks.LRSchedule("linear", param="dropout", total_steps=12),
        callbacks.LRSchedule("linear", param="weight_decay", total_steps=12, eta_min=0.5),
        callbacks.GradientClip(max_norm=1.0),
        callbacks.EarlyStopping("val_loss", patience=50),
        callbacks.ModelCheckpoint(),
    ]
    settings = {"log_every_n_steps": 2, "name": "net", "default_callbacks": False} | settings
    return fl.Trainer(callbacks=used, **settings)


def timeless(records):
    return [{k: v for k, v in r.items() if k not in ("time", "epoch_seconds")} for r in records]


def state_of(training):
    state = training.module.state_dict() | training.optimizer.state_dict()["arrays"]
    return {name: to_host(array).tobytes() for name, array in state.items()}


SETTINGS = [
    {},
    {"accumulate_grad_batches": 2},
    {"accumulate_grad_batches": {1: 1, 2: 2, 3: 3}},
    {"val_every": "2 steps"},
    {"val_every": 2},
    {"val_every": 0.5},
    {"limit_train_batches": 2},
]


def fit(folder, *more, seed=0, resume=None, **settings):
    training = trainer(runs_dir=folder, **settings)
    training.callbacks.extend(more)
    fl.seed_everything(seed)
    training.fit(Net(), data(), resume=resume)
    return training


def outcome(training):
    """Return all that a training came to: state, records in memory and in its run, and step."""
    kept = read_records(training.run.path)
    return state_of(training), *map(timeless, (training.history.records, kept)), training.step


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A function that returns the outcome of an uninterrupted training; one for each settings."""
    outcomes = {}

    def run(**settings):
        if str(settings) not in outcomes:
            outcomes[str(settings)] = outcome(fit(tmp_path_factory.mktemp("whole"), **settings))
        return outcomes[str(settings)]

    return run


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("steps", slow_but([1, 3, 4, 6], 3, 4))
def test_resumed_equals_uninterrupted(steps, settings, tmp_path, uninterrupted):
    fit(tmp_path, max_steps=steps, max_epochs=9, **settings)
    # Another seed: nothing may come from anywhere but the checkpoint.
    whole = {"max_steps": 10, "max_epochs": 9, **settings}
    resumed = fit(tmp_path, seed=99, resume="last", **whole)
    assert outcome(resumed) == uninterrupted(**whole)


class Interrupt(fl.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            trainer.interrupt.requested = True


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("step", [2, 3])
def test_auto_goes_on_after_an_interruption_in_the_same_run(
    step, settings, tmp_path, uninterrupted
):
    settings = {"max_epochs": 3, **settings}
    stopped = fit(tmp_path, Interrupt(step), resume="auto", **settings)
    assert stopped.status == "interrupted"
    resumed = fit(tmp_path, resume="auto", **settings)
    assert resumed.run.path == stopped.run.path
    assert outcome(resumed) == uninterrupted(**settings)
    summary = json.loads((resumed.run.path / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert len(summary["resumed"]) == 1


def test_auto_starts_a_new_run_where_the_last_is_finished(tmp_path):
    first, second = (fit(tmp_path, resume="auto", max_epochs=1) for _ in range(2))
    assert first.run.path != second.run.path


def test_a_validation_that_is_interrupted_is_made_again(tmp_path, uninterrupted):
    class InValidation(fl.Callback):
        def on_validation_start(self, trainer):
            trainer.interrupt.requested = trainer.epoch == 2

    stopped = fit(tmp_path, InValidation(), resume="auto", max_epochs=3)
    assert len(stopped.history["val_loss"]) == 1
    resumed = fit(tmp_path, resume="auto", max_epochs=3)
    assert outcome(resumed) == uninterrupted(max_epochs=3)


@pytest.fixture
def finished():
    training = trainer(max_epochs=3)
    training.fit(Net(), data())
    return training


def test_best_goes_on_in_a_new_run(finished):
    training = trainer(max_epochs=4)
    training.fit(Net(), data(), resume="best")
    best = finished.callbacks[-1].monitor
    assert training.run.path != finished.run.path
    assert training.history.records[0] == finished.history.records[0]
    assert training.epoch == 4
    assert best.epoch < 4


def test_a_path_to_a_file_or_a_run(finished):
    for place in (finished.run.path, finished.run.checkpoints / "last.safetensors"):
        training = trainer(max_epochs=3)
        training.fit(Net(), data(), resume=place)
        assert training.step == finished.step
        assert state_of(training) == state_of(finished)


def test_a_damaged_file_is_passed_over_with_a_warning(finished):
    last = finished.run.checkpoints / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    training = trainer(max_epochs=3)
    with pytest.warns(UserWarning, match="last.safetensors' is damaged.*resuming from .*best"):
        training.fit(Net(), data(), resume="last")
    assert training.step == finished.step
    for path in finished.run.checkpoints.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged"):
        trainer(max_epochs=3).fit(Net(), data(), resume=last)


def test_nothing_to_resume_from(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run called net in runs has a checkpoint"):
        trainer().fit(Net(), data(), resume="last")
    with pytest.raises(FileNotFoundError, match="'none.safetensors': there is no such file; its f"):
        trainer().fit(Net(), data(), resume="none.safetensors")
    with pytest.raises(TypeError, match='expected "auto", "last", "best" or a path, got True'):
        trainer().fit(Net(), data(), resume=True)
    with pytest.raises(ValueError, match="runs_dir is None; give a path"):
        trainer(runs_dir=None).fit(Net(), data(), resume="auto")


def test_another_model_is_refused(finished, line, line_data):
    with pytest.raises(ValueError, match="load_state_dict: names do not match"):
        fl.Trainer(default_callbacks=False).fit(line(), line_data, resume=finished.run.path)


def test_a_run_whose_process_died_reads_as_crashed(finished):
    path = finished.run.path / "summary.json"
    summary = json.loads(path.read_text()) | {"status": "running", "pid": 2**22 + 1}
    path.write_text(json.dumps(summary))
    assert read_status(finished.run.path) == "crashed"
    training = trainer(max_epochs=4)
    training.fit(Net(), data(), resume="auto")
    assert training.run.path == finished.run.path


def test_a_loader_without_a_place_of_its_own_is_wound_forward(line, line_data, tmp_path):
    x, y = (array.astype("float32") for array in line_data)
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 70, 10)]

    def fit(folder, resume=None, **settings):
        model = line()
        settings |= {"runs_dir": tmp_path / folder, "default_callbacks": False}
        training = fl.Trainer(callbacks=["model_checkpoint"], max_epochs=2, **settings)
        fl.seed_everything(0)
        training.fit(model, batches, resume=resume)
        return to_host(training.module.body.weight.data).tobytes()

    whole = fit("whole")
    fit("parts", max_steps=4)
    assert fit("parts", resume="last") == whole


def test_a_resume_with_fewer_epochs_stops_at_once():
    fl.Trainer(max_epochs=4, name="long").fit(TinyNet(), tiny_data())
    trainer = fl.Trainer(max_epochs=2, name="long")
    trainer.fit(TinyNet(), tiny_data(), resume="last")
    assert (trainer.epoch, trainer.status) == (4, "finished")


def test_a_resumed_training_remembers_its_best(line, line_data, capsys):
    for resume in (None, "last"):  # the second has nothing left to do
        trainer = fl.Trainer(max_epochs=3, name="again")
        history = trainer.fit(line(), line_data, val_data=line_data, resume=resume)
    best = history.best("val_loss")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"best val_loss {best['val_loss']:.4g} in epoch {best['epoch']}")
