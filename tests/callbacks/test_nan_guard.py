"""NaNGuard: what it notices, does and says."""

import warnings

import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.callbacks.gradient_clip import GradientClip
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.callbacks.nan_guard import NaNGuard
from firstlight.checkpoints.format import Checkpoint
from firstlight.testing import TinyNet, check_callback, check_resume, tiny_data, tiny_trainer

NAN, INF = float("nan"), float("inf")


class BadNet(TinyNet):
    """Makes the gradient of one parameter, or the loss, bad at some training steps."""

    def __init__(self, steps, value=NAN, where="body.3.weight"):
        super().__init__()
        self.steps, self.value, self.where, self.calls = steps, value, where, 0

    def training_step(self, batch):
        self.calls += 1
        output = super().training_step(batch)
        if self.calls in self.steps and self.where == "loss":
            output.loss = np.float32(self.value)
        return output

    def backward(self, dy):
        dx = super().backward(dy)
        if self.calls in self.steps and self.where != "loss":
            dict(self.named_parameters())[self.where].grad.reshape(-1)[1] = self.value
        return dx


def fit(module, *callbacks, **settings):
    settings = {"max_epochs": 3, "runs_dir": None, "seed": 0} | settings
    trainer = fl.Trainer(callbacks=list(callbacks), default_callbacks=False, **settings)
    trainer.fit(module, tiny_data())
    return trainer


def finite(module):
    return all(np.isfinite(array).all() for array in module.state_dict().values())


@pytest.mark.parametrize("action", slow_but(["stop", "skip", "raise"], "skip"))
def test_it_keeps_the_laws_and_leaves_a_good_training_alone(action):
    check_callback(lambda: NaNGuard(action))
    check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [NaNGuard(action)])
    guarded = tiny_trainer([NaNGuard(action)]).module.state_dict()
    alone = tiny_trainer().module.state_dict()
    assert all(guarded[name].tobytes() == alone[name].tobytes() for name in alone)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("where", ["body.0.bias", "body.3.weight"])
def test_raise_names_step_parameter_and_layer(value, where):
    module = BadNet([5], value, where)
    with pytest.raises(FloatingPointError) as error:
        fit(module, GradientClip(1.0), NaNGuard("raise"))  # looks before clipping spreads it
    size = {"body.0.bias": 5, "body.3.weight": 10}[where]
    assert str(error.value) == (
        f"NaNGuard: step 5: the gradient is not finite; the first bad gradient is that of {where} "
        f"(Linear), 1 of {size} entries; there is no checkpoint, as this training keeps no run"
    )
    assert finite(module)


def test_bad_values_are_named_first():
    module = TinyNet()
    module.body[3].bias.data[0] = NAN
    with pytest.warns(UserWarning, match=r"step 1: .*first bad values are that of body.3.bias \("):
        fit(module, NaNGuard("skip"), max_steps=1, max_epochs=1)


class Broken(fl.Module):
    """Passes values on, but for one that it makes bad on the way up or down."""

    def __init__(self, phase):
        self.phase = phase

    def forward(self, x):
        return self._spoilt(x, "forward")

    def backward(self, dy):
        return self._spoilt(dy, "backward")

    def _spoilt(self, x, phase):
        y = x.copy()
        if phase == self.phase:
            y[0, 0] = INF
        return y


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_the_layer_where_it_starts_is_named(phase):
    module = TinyNet()
    layers = list(module.body.layers)
    module.body = fl.nn.Sequential(layers[0], fl.nn.Sequential(Broken(phase)), *layers[1:])
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=rf"it starts in the {phase} of body.1.0 \(Broken"),
    ):
        fit(module, NaNGuard("raise"))
    assert "forward" not in vars(module.body)


def test_a_forward_that_is_the_instances_own_is_put_back():
    module = TinyNet()
    own = module.body.layers[0].forward = lambda x: type(module.body[0]).forward(module.body[0], x)
    module.body[3].bias.data[0] = NAN
    fit(module, NaNGuard())
    assert module.body[0].forward is own


def test_a_loss_that_starts_it_is_named():
    class BadLoss(fl.nn.CrossEntropyLoss):
        def backward(self):
            return super().backward() * NAN

    module = TinyNet()
    module.loss = BadLoss()
    with pytest.raises(FloatingPointError, match=r"it starts in the backward of loss \(BadLoss\)"):
        fit(module, NaNGuard("raise"))


def test_a_batch_with_a_bad_value_is_named():
    x, y = np.ones((4, 3), "float32"), np.zeros(4, int)
    x[2, 1] = NAN
    trainer = fl.Trainer(callbacks=[NaNGuard()], default_callbacks=False, runs_dir=None)
    trainer.fit(TinyNet(), [(x, y)])
    assert "step 1: the gradient is not finite; it starts in the batch[0];" in trainer.stop_reason


def test_a_norm_that_overflows():
    module = TinyNet()

    class Huge(fl.Callback):
        role = fl.Role.WRITER

        def on_before_optimizer_step(self, optimizer):
            optimizer.flat.grad[0] = 1e30

    message = r"step 1: the gradient's norm is 1e\+30, and its square overflows; every"
    with pytest.raises(FloatingPointError, match=message):
        fit(module, Huge(), NaNGuard("raise"))


def test_stop_leaves_good_weights_and_says_where_they_are():
    reference = fit(TinyNet(), max_steps=4)
    module = BadNet(range(5, 100))
    trainer = fit(module, NaNGuard(), ModelCheckpoint(), runs_dir="runs")
    assert (trainer.step, trainer.status) == (4, "finished")
    last = trainer.run.shown / "checkpoints" / "last.safetensors"
    assert trainer.stop_reason == (
        "NaNGuard: step 5: the gradient is not finite; the first bad gradient is that of "
        f"body.3.weight (Linear), 1 of 10 entries; the last good checkpoint is {last}"
    )
    assert Checkpoint.load(last).step == 4
    for name, array in reference.module.state_dict().items():
        assert array.tobytes() == module.state_dict()[name].tobytes()


def test_before_the_first_checkpoint():
    with pytest.raises(FloatingPointError, match="there is no checkpoint yet"):
        fit(BadNet([1]), NaNGuard("raise"), ModelCheckpoint(), runs_dir="runs")


def test_skip_leaves_steps_out_and_warns():
    guard, module = NaNGuard("skip"), BadNet([2, 3, 8])
    with pytest.warns(UserWarning, match=r"NaNGuard: step (2|6): the gradient") as caught:
        trainer = fit(module, guard)
    assert len(caught) == 3
    assert (trainer.step, trainer.status, guard.skipped) == (9 - 3, "finished", 3)
    assert trainer.optimizer.steps == 6
    assert finite(module)


@pytest.mark.parametrize("where", ["body.0.weight", "loss"])
def test_skip_gives_up_after_so_many_in_a_row(where):
    guard, module = NaNGuard("skip", max_skips=2), BadNet([1, 2, 4, 5, 7, 8, 9], where=where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FloatingPointError, match="gave up after 2 skips in a row"):
            fit(module, guard)
    assert module.calls == 9
    assert guard.skipped == 7


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_loss_that_alone_is_bad(value):
    module = BadNet([4], value, "loss")
    with pytest.raises(
        FloatingPointError, match=f"step 4: the loss is {value}, its gradient was finite; every "
    ):
        fit(module, NaNGuard("raise"))
    trainer = fit(BadNet([4], value, "loss"), NaNGuard())
    assert trainer.step == 4
    assert "the loss is" in trainer.stop_reason


def test_the_count_survives_a_restart():
    guard, twin = NaNGuard("skip"), NaNGuard("skip")
    with pytest.warns(UserWarning, match="NaNGuard"):
        fit(BadNet([8, 9]), guard)
    assert guard.state_dict() == {"skipped": 2, "in_a_row": 2}
    twin.load_state_dict(guard.state_dict())
    assert twin.state_dict() == guard.state_dict()
    fit(TinyNet(), guard)  # another training starts anew
    assert guard.skipped == 0


def test_bad_settings():
    with pytest.raises(ValueError, match='action: expected "stop", "skip" or "raise", got'):
        NaNGuard("halt")
    with pytest.raises(ValueError, match="max_skips: expected 1 or more, got 0"):
        NaNGuard("skip", max_skips=0)
