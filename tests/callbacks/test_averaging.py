"""EMA and SWA: what they average, when it is shown, and that it survives a restart."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks.averaging import EMA, SWA
from firstlight.callbacks.early_stopping import EarlyStopping
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.testing import TinyNet, check_callback, tiny_data, tiny_trainer


class Watch(fl.Callback):
    """Keeps the weights after each step, and those that validations see."""

    def __init__(self):
        self.steps, self.epochs, self.validated, self.after = {}, {}, [], []

    def on_train_batch_end(self, trainer, module):
        self.steps[trainer.step] = module.state_dict()

    def on_validation_batch_end(self, module, batch_idx):
        if batch_idx == 0:
            self.validated.append(module.state_dict())

    def on_validation_end(self, module):
        self.after.append(module.state_dict())

    def on_train_epoch_end(self, trainer, module):
        self.epochs[trainer.epoch] = module.state_dict()


def same(one, other):
    return {n: a.tobytes() for n, a in one.items()} == {n: a.tobytes() for n, a in other.items()}


def close(one, other):
    for name in other:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-7)


def ema(weights, decay, warmup=True):
    average, most = weights[0], decay
    for t, w in enumerate(weights[1:], 1):
        decay = min(most, (1 + t) / (10 + t)) if warmup else most
        average = {name: decay * average[name] + (1 - decay) * w[name] for name in w}
    return average


def mean(weights):
    return {name: sum(w[name] for w in weights) / len(weights) for name in weights[0]}


@pytest.mark.parametrize("make", [EMA, lambda: SWA(1), SWA, lambda: EMA(0.5, 2)])
def test_they_keep_the_laws(make):
    check_callback(make)


def test_ema_is_validated_and_finishes_the_training_goes_on_with_its_own():
    watch, alone = Watch(), Watch()
    trainer = tiny_trainer([EMA(0.8), watch], max_epochs=3)
    tiny_trainer([alone], max_epochs=3)
    steps = list(watch.steps.values())
    assert len(steps) == 9
    for step in watch.steps:
        assert same(watch.steps[step], alone.steps[step])  # the training itself is untouched
    for epoch, (validated, after) in enumerate(zip(watch.validated, watch.after, strict=True), 1):
        close(validated, ema(steps[: 3 * epoch], 0.8))
        assert same(after, steps[3 * epoch - 1])  # to the last bit
        assert not same(validated, after)
    close(trainer.module.state_dict(), ema(steps, 0.8))


def test_ema_starts_when_told():
    watch = Watch()
    trainer = tiny_trainer([EMA(0.5, start_step=4), watch])
    steps = list(watch.steps.values())
    assert same(watch.validated[0], steps[2])  # no average yet
    close(watch.validated[1], ema(steps[3:], 0.5))
    close(trainer.module.state_dict(), ema(steps[3:], 0.5))


def test_ema_without_warm_up_has_one_decay():
    watch = Watch()
    trainer = tiny_trainer([EMA(0.8, warmup=False), watch])
    close(trainer.module.state_dict(), ema(list(watch.steps.values()), 0.8, warmup=False))


def test_the_first_weights_are_forgotten_in_a_short_training():
    class Set(fl.Callback):
        role = fl.Role.WRITER

        def on_train_batch_end(self, trainer):
            trainer.optimizer.flat.data[...] = float(trainer.step > 1)

    trainer = tiny_trainer([Set(), EMA()], max_epochs=40)
    assert np.abs(trainer.optimizer.flat.data - 1).max() < 1e-3


def test_swa_is_the_mean_of_epoch_ends():
    watch, average = Watch(), SWA(start_epoch=2)
    trainer = tiny_trainer([average, watch], max_epochs=4)
    ends = [watch.steps[step] for step in (6, 9, 12)]
    assert average.averaged == 3
    assert same(watch.validated[0], watch.steps[3])
    for count in (1, 2, 3):
        close(watch.validated[count], mean(ends[:count]))  # this epoch's end is in
    close(trainer.module.state_dict(), mean(ends))


def test_swa_counts_an_epoch_whose_last_step_is_left_out():
    class SkipThird(fl.Callback):
        role = fl.Role.EDITOR

        def on_before_optimizer_step(self, trainer):
            if trainer.progress.batch_idx == 2:
                trainer.skip_step()

    watch, average = Watch(), SWA(start_epoch=1)
    trainer = tiny_trainer([average, SkipThird(), watch])
    assert average.averaged == 2
    close(trainer.module.state_dict(), mean([watch.steps[2], watch.steps[4]]))


def test_blocks_make_no_difference(monkeypatch):
    whole = tiny_trainer([EMA(0.7)]).module.state_dict()
    monkeypatch.setattr("firstlight.callbacks.averaging.BLOCK", 7)
    assert same(tiny_trainer([EMA(0.7)]).module.state_dict(), whole)


def test_best_is_tested_with_the_average(line, line_data):
    watch = Watch()
    trainer = fl.Trainer(
        max_epochs=4,
        seed=0,
        callbacks=[EMA(0.5), watch, ModelCheckpoint("val_loss", mode="max")],  # the first is best
        default_callbacks=False,
    )
    fl.seed_everything(0)
    module = line(lr=0.02)
    history = trainer.fit(module, line_data, line_data)
    best = Checkpoint.load(trainer.run.checkpoints / "best.safetensors")
    assert best.epoch == 1
    assert same(best.model, watch.validated[0])
    beside = {name.removeprefix("EMA.1/training/"): array for name, array in best.arrays.items()}
    assert same(beside, watch.steps[3])  # the training's
    finished = module.state_dict()
    after = trainer.validate(module, line_data)["val_loss"]
    assert after == history["val_loss"][-1]
    assert same(module.state_dict(), finished)  # the average is there to stay
    other = line()
    again = trainer.validate(other, line_data, checkpoint="best")["val_loss"]
    assert again == history["val_loss"][0]
    assert same(other.state_dict(), watch.validated[0])
    plain = fl.Trainer(default_callbacks=False, runs_dir=None)
    path = trainer.run.checkpoints / "best.safetensors"
    plain.validate(other, line_data, checkpoint=path)
    assert same(other.state_dict(), watch.validated[0])  # a Trainer without EMA, too
    fl.seed_everything(0)  # and a training may follow
    assert trainer.fit(line(lr=0.02), line_data, line_data)["val_loss"] == history["val_loss"]


def test_a_checkpoint_made_afterwards_has_both():
    watch = Watch()
    trainer = tiny_trainer([EMA(0.5), watch])
    trainer.save_checkpoint("after.safetensors")
    saved = Checkpoint.load("after.safetensors")
    assert same(saved.model, trainer.module.state_dict())
    beside = {name.removeprefix("EMA.1/training/"): array for name, array in saved.arrays.items()}
    assert same(beside, watch.steps[6])


class Interrupt(fl.Callback):
    role = fl.Role.EDITOR

    def __init__(self, action):
        self.action = action

    def on_validation_batch_end(self, trainer):
        if trainer.epoch == 2:
            self.action(trainer)


@pytest.mark.parametrize("failing", [False, True])
def test_a_validation_broken_off_leaves_the_weights_in_the_checkpoint(failing):
    def action(trainer):
        trainer.interrupt.requested = True
        if failing:
            raise RuntimeError("boom")

    def fit(*callbacks, resume=None):
        watch = Watch()
        callbacks = [EMA(0.5), ModelCheckpoint(), watch, *callbacks]
        trainer = fl.Trainer(
            max_epochs=3, seed=0, name="x", callbacks=callbacks, default_callbacks=False
        )
        module = TinyNet()
        try:
            trainer.fit(module, tiny_data(), resume=resume)
        except RuntimeError:
            assert failing
        return trainer, module, watch

    _, expected, _ = fit()
    trainer, module, watch = fit(Interrupt(action))
    assert trainer.status == ("failed" if failing else "interrupted")
    saved = Checkpoint.load(trainer.run.checkpoints / "last.safetensors")
    assert saved.step == 6
    close(saved.model, ema(list(watch.steps.values()), 0.5))
    beside = {name.removeprefix("EMA.1/training/"): array for name, array in saved.arrays.items()}
    assert same(beside, watch.steps[6])
    steps = list(watch.steps.values())
    if failing:
        assert same(module.state_dict(), steps[-1])
    else:
        close(module.state_dict(), ema(steps, 0.5))
    _, resumed, _ = fit(resume="last")
    assert same(resumed.state_dict(), expected.state_dict())


def test_of_two_the_first_is_shown_and_both_go_on():
    watch = Watch()
    callbacks = [EMA(0.5), SWA(start_epoch=1), EMA(0.9)]
    trainer = tiny_trainer([*callbacks, watch])
    steps = list(watch.steps.values())
    close(watch.validated[1], ema(steps, 0.5))
    assert same(watch.after[1], steps[-1])
    trainer.save_checkpoint("both.safetensors")
    saved = Checkpoint.load("both.safetensors")
    close(saved.model, ema(steps, 0.5))
    arrays = saved.arrays
    for prefix, expected in {
        "EMA.1/training/": steps[-1],
        "SWA.1/average/": mean([steps[2], steps[5]]),
        "EMA.2/average/": ema(steps, 0.9),
    }.items():
        close({n.removeprefix(prefix): a for n, a in arrays.items() if prefix in n}, expected)


def test_frozen_parameters_and_those_of_no_optimizer():
    class Head(TinyNet):
        def configure_optimizer(self):
            return fl.optim.SGD([self.body[3].weight, self.body[0].weight], lr=0.1)

    module = Head()
    module.body[0].freeze()
    before = module.state_dict()
    trainer = fl.Trainer(max_epochs=2, callbacks=[EMA(0.5)], default_callbacks=False, runs_dir=None)
    trainer.fit(module, tiny_data())
    after = module.state_dict()
    for name in ("body.0.weight", "body.0.bias", "body.3.bias"):
        assert before[name].tobytes() == after[name].tobytes()
    assert before["body.3.weight"].tobytes() != after["body.3.weight"].tobytes()


def test_early_stopping_restores_the_weights_that_were_validated():
    watch = Watch()
    stopping = EarlyStopping("val_loss", mode="max", patience=1, restore_best=True)
    trainer = tiny_trainer([EMA(0.9), stopping, watch], max_epochs=9)
    best = trainer.history.best("val_loss", mode="max")["epoch"]
    assert same(trainer.module.state_dict(), watch.validated[best - 1])
    assert not same(watch.validated[best - 1], watch.steps[3 * best])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EMA(1.0), r"EMA: expected a decay in \[0, 1\), got 1.0"),
        (lambda: EMA(float("nan")), "got nan"),
        (lambda: EMA(0.9, start_step=-1), "start_step: expected 0 or more, got -1"),
        (lambda: SWA(0), "SWA: start_epoch: expected 1 or more, got 0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
