"""Resume in odd circumstances: each training must end with the bytes of one not broken off."""

import contextlib
import copy
import hashlib
import time

import numpy as np
import pytest
from campaigns import slow_but
from waiting import until

import firstlight as fl
from firstlight import callbacks, nn
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs.find import latest_run
from firstlight.testing import tiny_data


class Net(fl.Module):
    """Batch statistics, dropout, momentum, and a parameter without axes."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.body = nn.Sequential(
            nn.Linear(3, 6, rng=rng), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 2, rng=rng)
        )
        self.scale = fl.Parameter(np.ones((), "float32"))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        y = self.body(x)
        self.save(y)
        return y * self.scale.data

    def backward(self, dy):
        (y,) = self.saved()
        self.scale.grad += (dy * y).sum()
        return self.body.backward(dy * self.scale.data)

    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class At(fl.Callback):
    role = fl.Role.WRITER

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer):
        if trainer.step == self.step:
            self.action(trainer)


def interrupt(trainer):
    trainer.interrupt.requested = True


def stop(trainer):
    trainer.stop("enough")


class Boom(Exception):
    """What a training is made to raise."""


def fail(trainer):
    raise Boom


def outcome(trainer):
    content = b"".join(array.tobytes() for array in trainer.module.state_dict().values())
    records = [
        {k: v for k, v in r.items() if k not in ("time", "epoch_seconds")}
        for r in trainer.history.records
    ]
    return trainer.step, hashlib.sha256(content).hexdigest(), records


def fit(name, made=(), *, last=(), resume=None, seed=0, data=None, net=Net, **settings):
    fl.seed_everything(seed)
    settings = {"max_epochs": 4, "log_every_n_steps": 1, "default_callbacks": False} | settings
    used = [*made, callbacks.ModelCheckpoint(), *last]
    trainer = fl.Trainer(callbacks=used, name=name, **settings)
    with contextlib.suppress(Boom):
        trainer.fit(net(), *(data or (tiny_data(),)), resume=resume)
    return trainer


def check(make=list, *, step, action=interrupt, resume="last", after=False, **settings):
    """Compare a training with one broken off at a step (3 an epoch, 12 in all) and resumed."""
    whole = fit("whole", make(), **settings)
    breaker = [At(step, action)]
    fit("parts", [*make(), *([] if after else breaker)], last=breaker if after else [], **settings)
    resumed = fit("parts", make(), resume=resume, seed=9, **settings)
    assert outcome(resumed) == outcome(whole)


@pytest.mark.parametrize("step", [5, 6])  # in an epoch, and at its end
@pytest.mark.parametrize("action", [interrupt, stop, fail])
@pytest.mark.parametrize("after", [False, True])
def test_at_any_step_however_it_ends(step, action, after):
    check(step=step, action=action, after=after)


def test_an_error_in_a_forward_leaves_the_state_of_a_boundary():
    class Fails(Net):
        armed, calls = False, 0

        def training_step(self, batch):
            Fails.calls += 1
            if Fails.armed and Fails.calls == 17:  # the fifth batch of the second training
                raise Boom
            return super().training_step(batch)

    whole = fit("whole", net=Fails)
    Fails.armed = True
    assert fit("parts", net=Fails).step == 4
    Fails.armed = False
    assert outcome(fit("parts", net=Fails, resume="auto", seed=9)) == outcome(whole)


def test_an_error_in_a_loader_that_wraps_ours():
    class Loader(fl.DataLoader):
        fails = False

        def __iter__(self):
            for index, batch in enumerate(super().__iter__()):
                if Loader.fails and (self.epoch, index) == (1, 1):
                    raise Boom
                yield batch

    data = (Loader(tiny_data().train, 4, shuffle=True, seed=3),)
    whole = fit("whole", data=copy.deepcopy(data))
    Loader.fails = True
    fit("parts", data=copy.deepcopy(data))
    Loader.fails = False
    resumed = fit("parts", data=copy.deepcopy(data), resume="last", seed=9)
    assert outcome(resumed) == outcome(whole)


@pytest.mark.parametrize("step", [4, 6])
@pytest.mark.parametrize("settings", [{"overfit_batches": 2}, {"val_every": "2 steps"}])
def test_settings(step, settings):
    check(step=step, **settings)


@pytest.mark.parametrize("step", [4, 6])
def test_one_loader_for_training_and_validation(step):
    def make_data():
        loader = fl.DataLoader(tiny_data().train, 4, shuffle=True, seed=3)
        return loader, loader

    whole = fit("whole", data=make_data())
    fit("parts", [At(step, interrupt)], data=make_data())
    assert outcome(fit("parts", data=make_data(), resume="last", seed=9)) == outcome(whole)


STEERING = {
    "plateau of dropout": lambda: [
        callbacks.LRSchedule(
            "plateau", param="dropout", monitor="val_loss", patience=0, factor=0.5, mode="max"
        )
    ],
    "restore_best": lambda: [
        callbacks.EarlyStopping("val_loss", patience=50, restore_best=True, mode="max")
    ],
    "restore_best of an average": lambda: [
        callbacks.EarlyStopping("val_loss", patience=50, restore_best=True, mode="max"),
        callbacks.EMA(0.7),
    ],
    "two averages": lambda: [callbacks.SWA(1), callbacks.EMA(0.5)],
}


@pytest.mark.parametrize("step", slow_but([6, 8], 8))
@pytest.mark.parametrize("make", STEERING.values(), ids=STEERING)
def test_callbacks_that_steer(make, step):
    check(make, step=step)
    check(make, step=step, val_every="2 steps")


def test_a_plateau_that_was_just_reached():
    class AfterValidation(fl.Callback):
        def on_log(self, trainer, record):
            if "val_loss" in record and trainer.step == 8:
                interrupt(trainer)

    make, settings = STEERING["plateau of dropout"], {"val_every": "2 steps"}
    whole = fit("whole", make(), **settings)
    fit("parts", [*make(), AfterValidation()], **settings)
    assert outcome(fit("parts", make(), resume="last", seed=9, **settings)) == outcome(whole)


def test_restore_best_gives_what_was_validated():
    stopping = callbacks.EarlyStopping("val_loss", patience=50, restore_best=True)
    trainer = fit("ema", [stopping, callbacks.EMA(0.5)])
    best = min(trainer.history["val_loss"])
    assert trainer.validate(trainer.module, tiny_data())["val_loss"] == best


def test_averages_listed_in_another_order_are_still_themselves():
    fit("parts", [callbacks.EMA(0.5), callbacks.SWA(1)], max_steps=6)
    saved = Checkpoint.load(latest_run("runs") / "checkpoints" / "last.safetensors")
    seen = {}

    class Look(fl.Callback):
        def on_fit_start(self, trainer, module):
            seen["weights"] = module.state_dict()
            both = trainer.callbacks[:2]
            seen["averages"] = {type(c).__name__: c.array.copy() for c in both}

    look = [callbacks.SWA(1), callbacks.EMA(0.5), Look()]
    resumed = fit("parts", look, max_steps=6, resume="last")
    name = "body.3.weight"
    np.testing.assert_array_equal(seen["weights"][name], saved.arrays[f"EMA.1/training/{name}"])
    parameter = dict(resumed.module.named_parameters())[name]
    window = next(w for p, w in resumed.optimizer.flat.windows if p is parameter)
    np.testing.assert_array_equal(
        seen["averages"]["SWA"][window], saved.arrays[f"SWA.1/average/{name}"].ravel()
    )
    np.testing.assert_array_equal(seen["averages"]["EMA"][window], saved.model[name].ravel())


def test_a_state_that_a_callback_goes_on_changing_is_saved_as_it_was():
    class Live(fl.Callback):
        def __init__(self):
            self.seen = []

        def on_train_batch_end(self, trainer):
            self.seen.append(trainer.step)
            if trainer.step == 5:
                until(lambda: saved)  # an earlier step, while this one is under way

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            self.seen = state["seen"]

    saved, save = [], Checkpoint.save

    def late(checkpoint, path):
        time.sleep(0.01)
        (state,) = [state for name, state in checkpoint.callbacks.items() if "Live" in name]
        saved.append((checkpoint.step, len(state["seen"])))
        save(checkpoint, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", late)
        fit("live", [Live()], last=[callbacks.ModelCheckpoint(every_n_steps=1)])
    assert len(saved) > 1
    assert all(step == seen for step, seen in saved)


class InValidation(fl.Callback):
    """Interrupts the validation after a step, as often as it is made."""

    def __init__(self, step):
        self.step = step

    def on_validation_batch_end(self, trainer):
        if trainer.step == self.step:
            interrupt(trainer)


@pytest.mark.parametrize(("val_every", "step"), [(1, 6), ("2 steps", 6), ("2 steps", 4)])
def test_a_validation_broken_off_time_and_again(val_every, step):
    def data():
        splits = tiny_data()
        return splits, fl.DataLoader(splits.val, 4, transform=noisy)

    whole = fit("whole", data=data(), val_every=val_every)
    first = fit("parts", [InValidation(step)], data=data(), val_every=val_every)
    again = [InValidation(step)]
    again = fit("parts", again, data=data(), val_every=val_every, resume="last", seed=5)
    assert first.step == again.step == step
    resumed = fit("parts", data=data(), val_every=val_every, resume="last", seed=9)
    assert outcome(resumed) == outcome(whole)


def noisy(batch, rng):
    x, y = batch
    return x + rng.normal(size=x.shape).astype("float32"), y


def test_a_step_that_is_left_out_and_stops_the_training_leaves_the_epoch_open():
    class Bad(fl.Callback):
        role = fl.Role.WRITER

        def on_before_optimizer_step(self, trainer, optimizer):
            if trainer.step == 4:
                optimizer.flat.grad[0] = np.nan

    stopped = fit("nan", [Bad(), callbacks.NaNGuard("stop")])
    assert (stopped.step, stopped.epoch) == (4, 2)
    last = Checkpoint.load(stopped.run.checkpoints / "last.safetensors")
    assert (last.step, last.progress["epoch_done"], last.progress["batches_done"]) == (4, False, 2)
    assert fit("nan", [callbacks.NaNGuard()], resume="last").step == 11  # all but the bad one
