"""The Trainer's loop: what it counts, when it stops, what it logs."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.support.backend import to_host


def test_fit_learns_and_returns_its_history(line, line_data, quiet):
    history = Trainer(max_epochs=20, **quiet).fit(line(), line_data, line_data)
    assert len(history["train_loss"]) == len(history["val_loss"]) == 20
    assert history["val_loss"][-1] < 1e-3 < history["val_loss"][0]
    assert history.steps("val_loss")[:2] == [3, 6]


def test_every_record_has_step_epoch_and_time(line, line_data, quiet):
    history = Trainer(max_epochs=2, log_every_n_steps=2, **quiet).fit(line(), line_data)
    places = [(r["step"], r["epoch"], "train_loss" in r) for r in history.records]
    assert places == [(2, 1, False), (3, 1, True), (4, 2, False), (6, 2, False), (6, 2, True)]
    assert all(r["time"] >= 0 for r in history.records)


def test_means_are_weighted_by_batch_size(line, line_data, quiet):
    model = line(lr=0.0)
    history = Trainer(max_epochs=1, log_every_n_steps=2, **quiet).fit(model, line_data, line_data)
    x, y = line_data
    with_all = float(((model.to("cpu").eval()(x.astype("float32")) - y) ** 2).mean())
    assert history["train_loss"] == pytest.approx([with_all], rel=1e-5)
    assert history["val_loss"] == pytest.approx([with_all], rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "steps", "epochs"),
    [
        ({"max_epochs": 2}, 6, 2),
        ({"max_steps": 4}, 4, 2),
        ({"max_steps": 0}, 0, 0),
        ({"max_epochs": 0}, 0, 0),
        ({"max_epochs": 5, "max_steps": 7}, 7, 3),
        ({"max_epochs": 2, "limit_train_batches": 1}, 2, 2),
        ({"max_epochs": 2, "limit_train_batches": 0.67}, 4, 2),
        ({"max_epochs": 2, "accumulate_grad_batches": 2}, 4, 2),
        ({"max_epochs": 5, "accumulate_grad_batches": {2: 3, 4: 2}}, 9, 5),
        ({"max_epochs": 2, "accumulate_grad_batches": {9: 3}}, 6, 2),
        ({"max_epochs": 1, "overfit_batches": 2}, 2, 1),
        ({"max_epochs": 9, "fast_dev_run": True}, 1, 1),
        ({"fast_dev_run": 2}, 2, 1),
    ],
)
def test_where_a_training_stops(settings, steps, epochs, line, line_data, quiet):
    trainer = Trainer(**quiet, **settings)
    trainer.fit(line(), line_data, line_data)
    assert (trainer.step, trainer.epoch, trainer.status) == (steps, epochs, "finished")
    assert trainer.total_steps == steps


def test_limits_may_be_changed_between_trainings(line, line_data, tmp_path):
    trainer = fl.Trainer(max_epochs=1, runs_dir=tmp_path, callbacks=["model_checkpoint"])
    trainer.fit(line(), line_data)
    trainer.max_epochs += 1
    trainer.fit(line(), line_data, resume="last")
    assert trainer.epoch == 2
    trainer.max_epochs, trainer.max_steps, trainer.max_time = None, 3, "1:00"
    trainer.fit(line(), line_data)
    assert (trainer.step, trainer.max_time) == (3, 60)
    with pytest.raises(TypeError, match="max_epochs: expected a whole number"):
        trainer.max_epochs = "2"


def test_max_time_stops(line, line_data, quiet):
    trainer = Trainer(max_time=0.05, **quiet)
    trainer.fit(line(), line_data)
    assert trainer.elapsed >= 0.05
    assert trainer.total_steps is None


def test_twenty_epochs_by_default(quiet):
    assert Trainer(**quiet).max_epochs == 20


@pytest.mark.parametrize(
    ("every", "steps"),
    [
        *[(2, [6, 12]), ("4 steps", [4, 8, 12]), ("1 epoch", [3, 6, 9, 12]), (1.0, [3, 6, 9, 12])],
        *[(1 / 3, [*range(1, 13)]), (0.5, [2, 3, 5, 6, 8, 9, 11, 12]), ("0.9", [3, 6, 9, 12])],
        *[(0.001, [*range(1, 13)]), ("00:00:00.0000001", [*range(1, 13)])],
    ],
)
def test_validation_interval(every, steps, line, line_data, quiet):
    history = Trainer(max_epochs=4, val_every=every, **quiet).fit(line(), line_data, line_data)
    assert history.steps("val_loss") == steps


def test_validation_by_time(line, line_data, quiet):
    class Clock(fl.Callback):
        def on_train_batch_end(self, trainer):
            trainer.progress.started -= 240  # each step lasts four minutes

    clock = quiet | {"callbacks": [Clock()]}
    trainer = Trainer(max_epochs=3, val_every="10 min", **clock)
    history = trainer.fit(line(), line_data, line_data)
    assert history.steps("val_loss") == [3, 6, 9]
    assert trainer.progress.validated == pytest.approx(9 * 240, abs=60)
    none = Trainer(max_epochs=3, val_every="1 h", **clock).fit(line(), line_data, line_data)
    assert "val_loss" not in none


def test_shares_of_an_epoch_with_accumulation_and_skipped_batches(line, line_data, quiet):
    class Skips(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.epoch == 2:
                trainer.skip_epoch()

    settings = quiet | {"callbacks": [Skips()], "accumulate_grad_batches": 2}
    trainer = Trainer(max_epochs=3, val_every=0.25, **settings)
    history = trainer.fit(line(), fl.DataLoader(fl.ArrayDataset(*line_data), 10), line_data)
    # 7 batches: steps after 2, 4, 6, 7 of them. The half of the second epoch is never reached.
    assert history.steps("val_loss") == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_accumulated_small_batches_equal_one_large_batch(line, line_data, quiet):
    def trained(batch_size, accumulate):
        fl.seed_everything(0)
        model = line().to(dtype="float64")
        x, y = line_data
        loader = fl.DataLoader(fl.ArrayDataset(x, y, dtype="float64"), batch_size)
        Trainer(max_epochs=2, accumulate_grad_batches=accumulate, **quiet).fit(model, loader)
        return model.state_dict()["body.weight"]

    # 70 samples: windows of 60 and 10, the second made of one partial window.
    np.testing.assert_allclose(trained(20, 3), trained(60, 1), rtol=1e-12)


def test_overfit_batches_validates_on_the_very_same_batches(line, line_data, quiet):
    trainer = Trainer(max_epochs=1, overfit_batches=1, **quiet)
    model = line(lr=0.0)
    history = trainer.fit(model, line_data)
    assert history["val_loss"] == pytest.approx(history["train_loss"])
    first = (line_data[0][:32].astype("float32"), line_data[1][:32].astype("float32"))
    loss = model.to("cpu").eval().validation_step(first).loss
    assert history["train_loss"] == pytest.approx([float(loss)])


def test_same_seed_same_bytes(line, line_data, quiet):
    def trained(seed):
        fl.seed_everything(3)
        model = line()
        Trainer(max_epochs=2, seed=seed, **quiet).fit(model, line_data)
        return to_host(model.body.weight.data).tobytes()

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)


def test_fit_again_starts_again(line, line_data, quiet):
    trainer = Trainer(max_epochs=2, **quiet)
    trainer.fit(line(), line_data)
    history = trainer.fit(line(), line_data)
    assert len(history["train_loss"]) == 2
    assert trainer.step == 6


def test_test_and_predict(line, line_data, quiet):
    trainer, model = Trainer(max_epochs=20, **quiet), line()
    trainer.fit(model, line_data)
    metrics = trainer.test(model, line_data)
    prediction = trainer.predict(model, line_data[0])
    assert prediction.shape == (70, 1)
    assert metrics == {
        "test_loss": pytest.approx(np.mean((prediction - line_data[1]) ** 2), rel=1e-4)
    }
    assert trainer.validate(model, line_data) == {"val_loss": pytest.approx(metrics["test_loss"])}


def test_evaluation_leaves_the_mode_as_it_was(line, line_data, quiet):
    model = line().train()
    Trainer(**quiet).test(model, line_data)
    assert model.training


def test_limits_of_evaluation(line, line_data, quiet):
    trainer = Trainer(limit_test_batches=1, limit_predict_batches=2, **quiet)
    assert len(trainer.predict(line(), line_data[0])) == 64
    model = line()
    first = tuple(array[:32].astype("float32") for array in line_data)
    loss = float(model.eval().validation_step(first).loss)
    assert trainer.test(model, line_data)["test_loss"] == pytest.approx(loss)


def test_a_callback_stops_the_training_with_a_reason(line, line_data, quiet):
    class Enough(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 4:
                trainer.stop("that is enough")

    trainer = Trainer(callbacks=[Enough()], **quiet)
    trainer.fit(line(), line_data)
    assert (trainer.step, trainer.status, trainer.stop_reason) == (4, "finished", "that is enough")


def test_describe_lists_callbacks_in_call_order(quiet):
    class First(fl.Callback):
        def on_log(self, record):
            pass

    class Second(First):
        role = fl.Role.WRITER

    text = Trainer(callbacks=[First(), Second()], **quiet).describe()
    assert text.startswith("on_log")
    assert text.index("Second") < text.index("First")


def test_float64_model_gets_float64_batches(line, line_data, quiet):
    model = line().to(dtype="float64")
    Trainer(max_epochs=1, **quiet).fit(model, line_data)
    assert model.body.weight.data.dtype == "float64"


def test_dict_batches_with_own_steps(line, line_data, quiet):
    class Own(line):
        def training_step(self, batch):
            loss = self.loss(self(batch["x"]), batch["y"])
            return fl.StepOutput(loss, self.loss.backward(), {"twice": 2 * loss})

    x, y = (array.astype("float32") for array in line_data)

    class Batches:
        def __len__(self):
            return 1

        def __iter__(self):
            yield {"x": x, "y": y}

    history = Trainer(max_epochs=2, **quiet).fit(Own(), Batches())
    np.testing.assert_allclose(history["train_twice"], 2 * np.array(history["train_loss"]))


def test_a_callback_may_skip_steps(line, line_data, quiet):
    class Skip(fl.Callback):
        def on_before_optimizer_step(self, trainer):
            if trainer.progress.batch_idx == 1:
                trainer.skip_step()

    model = line()
    trainer = Trainer(max_epochs=2, callbacks=[Skip()], **quiet)
    before = model.body.weight.data.copy()
    trainer.fit(model, line_data)
    assert trainer.step == 4  # of 6
    assert (to_host(model.body.weight.data) != before).all()
    assert not trainer.optimizer.flat.grad.any()
