"""Hooks around a step, a test and a prediction; skipping the rest of an epoch."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import callbacks
from firstlight.checkpoints.format import Checkpoint
from firstlight.testing import RecordingCallback, TinyNet, tiny_data, tiny_trainer

STEP = ["on_train_batch_start", "on_before_backward", "on_after_backward"]
UPDATE = ["on_before_optimizer_step", "on_before_zero_grad", "on_train_batch_end"]


def trainer_with(*listed, **settings):
    settings = {"default_callbacks": False, "runs_dir": None, "seed": 0} | settings
    return fl.Trainer(callbacks=list(listed), **settings)


def test_with_accumulation_batches_and_steps_have_hooks_of_their_own():
    recorder = RecordingCallback()
    tiny_trainer([recorder], max_epochs=1, accumulate_grad_batches=2, log_every_n_steps=99)
    within = [name for name in recorder.names() if name in STEP + UPDATE]
    assert within == [*STEP, *STEP, *UPDATE, *STEP, *UPDATE]  # three batches, windows of two


class Gradients(fl.Callback):
    """Notes the gradient and the parameters of each hook of a step."""

    def __init__(self):
        self.seen = {}

    def _note(self, hook, trainer):
        flat = trainer.optimizer.flat
        self.seen.setdefault(hook, []).append((flat.grad.copy(), flat.data.copy()))

    def on_before_backward(self, trainer, loss):
        self._note("before", trainer)
        assert float(loss) > 0

    def on_after_backward(self, trainer):
        self._note("after", trainer)

    def on_before_zero_grad(self, trainer):
        self._note("updated", trainer)

    def on_train_batch_end(self, trainer):
        self._note("end", trainer)


def test_what_gradients_and_parameters_each_hook_of_a_step_meets():
    gradients = Gradients()
    tiny_trainer([gradients], max_steps=1)
    (before,), (after,) = gradients.seen["before"], gradients.seen["after"]
    (updated,), (end,) = gradients.seen["updated"], gradients.seen["end"]
    assert not before[0].any()
    assert after[0].any()
    np.testing.assert_array_equal(updated[0], after[0])
    assert (updated[1] != after[1]).any(), "the optimizer has stepped"
    assert not end[0].any()


def test_the_hooks_of_a_test_and_those_of_a_validation_that_it_has_always_had():
    recorder = RecordingCallback()
    trainer = trainer_with(recorder)
    metrics = trainer.test(TinyNet(), tiny_data())
    assert recorder.names() == [
        "setup",
        *("on_validation_start", "on_test_start"),
        *("on_validation_batch_end", "on_test_batch_end"),
        *("on_validation_end", "on_test_end"),
        "teardown",
    ]
    by_hook = {call.hook: call.arguments for call in recorder.calls}
    assert by_hook["on_validation_end"]["stage"] == by_hook["setup"]["stage"] == "test"
    assert by_hook["on_test_end"]["metrics"] == metrics
    assert by_hook["on_test_batch_end"]["output"].prediction.shape == (4, 2)


def test_a_validation_has_none_of_a_tests():
    recorder = RecordingCallback()
    trainer_with(recorder).validate(TinyNet(), tiny_data())
    names = recorder.names()
    assert not [name for name in names if "test" in name]
    assert (names[0], names[-1]) == ("setup", "teardown")
    assert recorder.calls[0].arguments["stage"] == "validate"


def test_the_hooks_of_a_prediction():
    recorder = RecordingCallback()
    found = trainer_with(recorder).predict(TinyNet(), tiny_data())
    assert recorder.names() == [
        *("setup", "on_predict_start", "on_predict_batch_end", "on_predict_end", "teardown"),
    ]
    by_hook = {call.hook: call.arguments for call in recorder.calls}
    np.testing.assert_array_equal(by_hook["on_predict_end"]["predictions"], found)
    np.testing.assert_array_equal(by_hook["on_predict_batch_end"]["output"], found)
    assert by_hook["setup"]["stage"] == "predict"


class Replaces(fl.Callback):
    """Freezes the head before the optimizer is made."""

    def setup(self, trainer, module, stage):
        assert (stage, trainer.optimizer) == ("fit", None)
        module.body.layers[3].weight.requires_grad = False

    def teardown(self, trainer):
        self.status = trainer.status


def test_setup_comes_before_the_optimizer_and_teardown_last():
    replaces = Replaces()
    trainer = tiny_trainer([replaces])
    np.testing.assert_array_equal(
        trainer.module.body.layers[3].weight.data, TinyNet().body.layers[3].weight.data
    )
    assert replaces.status == "finished"


@pytest.mark.parametrize("broken", ["configure_optimizer", "training_step", "nothing"])
def test_every_teardown_is_called_however_the_training_ends(broken):
    class Fails(fl.Callback):
        def teardown(self):
            raise KeyError("teardown")

    def fail(*_):
        raise ZeroDivisionError(broken)

    net = type("Net", (TinyNet,), {broken: fail})()
    recorder = RecordingCallback()
    with pytest.raises(KeyError if broken == "nothing" else ZeroDivisionError) as caught:
        trainer_with(Fails(), recorder, max_epochs=1).fit(net, tiny_data())
    assert recorder.names()[-1] == "teardown"
    assert "Fails" in "".join(caught.value.__notes__)


class Skips(fl.Callback):
    """Skips the rest of some epochs in a hook, at a batch."""

    def __init__(self, hook, at_batch=1, epochs=(2,)):
        self.at_batch, self.epochs = at_batch, epochs
        setattr(self, hook, self._skip)

    def _skip(self, trainer):
        if trainer.epoch in self.epochs and trainer.progress.batch_idx == self.at_batch:
            trainer.skip_epoch()


@pytest.mark.parametrize(
    ("hook", "steps"),
    [
        ("on_train_batch_start", 1),
        ("on_before_backward", 2),
        ("on_before_optimizer_step", 2),
        ("on_train_batch_end", 2),
    ],
)
def test_skip_epoch_leaves_out_the_rest_of_the_epoch_only(hook, steps):
    recorder = RecordingCallback()
    trainer = tiny_trainer([Skips(hook), recorder], max_epochs=3)
    assert (trainer.step, trainer.epoch, trainer.status) == (3 + steps + 3, 3, "finished")
    assert len(trainer.history["val_loss"]) == 3
    assert recorder.names().count("on_train_epoch_end") == 3


def test_returning_minus_one_as_in_lightning_is_an_error():
    class Ported(fl.Callback):
        def on_train_batch_start(self):
            return -1

    with pytest.raises(TypeError, match=r"returned -1.*call trainer.skip_epoch\(\)"):
        tiny_trainer([Ported()])


def test_a_whole_epoch_can_be_skipped():
    class First(fl.Callback):
        def on_train_epoch_start(self, trainer):
            if trainer.epoch == 1:
                trainer.skip_epoch()

    trainer = tiny_trainer([First()])
    assert trainer.step == 3
    assert len(trainer.history["train_loss"]) == 1


def test_the_gradients_of_a_window_that_is_left_open_are_dropped():
    class Looks(fl.Callback):
        def on_before_backward(self, trainer):
            if trainer.progress.batch_idx == 0:
                assert not trainer.optimizer.flat.grad.any()

    skips = Skips("on_after_backward", at_batch=0, epochs=(1, 2))
    trainer = tiny_trainer([skips, Looks()], max_epochs=3, accumulate_grad_batches=2)
    assert trainer.step == 2


def test_the_step_that_is_left_out_is_that_of_the_epoch_that_is_skipped():
    class Both(fl.Callback):
        def on_train_batch_start(self, trainer, batch_idx):
            if trainer.epoch == 1 and batch_idx == 1:
                trainer.skip_step()
                trainer.skip_epoch()

    assert tiny_trainer([Both()], max_epochs=2).step == 1 + 3


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_train_batch_end"])
@pytest.mark.parametrize("until", [4, 5])
def test_resuming_around_a_skipped_epoch_is_exact(hook, until, tmp_path):
    def fit(folder, max_steps, resume=None):
        checkpoints = callbacks.ModelCheckpoint(every_n_steps=1)
        skips = Skips(hook, epochs=(2, 3))
        settings = {"max_steps": max_steps, "runs_dir": tmp_path / folder, "name": "net"}
        trainer = trainer_with(skips, checkpoints, **settings)
        loader = fl.DataLoader(tiny_data().train, batch_size=4, shuffle=True)
        trainer.fit(TinyNet(), loader, tiny_data().val, resume=resume)
        return trainer

    whole = fit("whole", 9)
    fit("parts", until)
    rest = fit("parts", 9, resume="last")
    assert rest.epoch == whole.epoch
    for name, array in whole.module.state_dict().items():
        np.testing.assert_array_equal(rest.module.state_dict()[name], array, err_msg=name)


def test_a_checkpoint_keeps_that_the_epoch_is_skipped(tmp_path):
    class Saves(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 1:
                trainer.skip_epoch()
                trainer.save_checkpoint(tmp_path / "a.safetensors")

    tiny_trainer([Saves()])
    saved = Checkpoint.load(tmp_path / "a.safetensors")
    assert saved.progress["skips_epoch"] is True
    recorder = RecordingCallback()
    trainer = trainer_with(recorder, max_epochs=1)
    trainer.fit(TinyNet(), tiny_data(), resume=tmp_path / "a.safetensors")
    assert trainer.step == 1
    assert "on_train_batch_start" not in recorder.names()
