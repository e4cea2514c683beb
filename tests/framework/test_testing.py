"""The conformance kit: it passes good callbacks and names what is wrong with bad ones."""

import random

import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import plugins
from firstlight.support import rng
from firstlight.testing import (
    RecordingCallback,
    TinyNet,
    check_callback,
    check_gradients,
    tiny_data,
    tiny_trainer,
)


class Counter(fl.Callback):
    """A callback as it should be."""

    def __init__(self):
        self.steps, self.best = 0, float("nan")

    def on_train_batch_end(self):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps, "best": self.best, "list": [1, 2]}

    def load_state_dict(self, state):
        self.steps, self.best = state["steps"], state["best"]


def test_good_callbacks_pass():
    check_callback(Counter)
    check_callback(RecordingCallback)
    check_callback(lambda: Counter())


def test_an_object_with_marked_methods_passes():
    class Plain:
        @fl.hookimpl
        def on_log(self, record):
            self.record = record

    check_callback(Plain)


def test_a_callback_that_stops_early_passes():
    class Stop(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 2:
                trainer.stop("enough")

    check_callback(Stop)


def test_writers_and_editors_may_change_the_training():
    class Half(fl.Callback):
        role = fl.Role.EDITOR

        def on_before_optimizer_step(self, optimizer):
            optimizer.scale_grad(0.5)

        def on_fit_start(self, module):
            module.body[0].bias.data[...] = 1

    check_callback(Half)


class Misspelled(fl.Callback):
    def on_fit_begin(self):
        pass


class Raises(fl.Callback):
    def on_validation_end(self):
        raise ZeroDivisionError("oops")


class Meddles(fl.Callback):
    def on_fit_start(self, module):
        module.body[0].bias.data[0] += 1e-6


class Draws(fl.Callback):
    def on_train_epoch_start(self):
        rng.stream("dropout").random()


class NotJson(Counter):
    def state_dict(self):
        return {"best": np.float32(1)}


class Tuples(Counter):
    def state_dict(self):
        return {"best": (1, 2)}


class IntegerKeys(Counter):
    def state_dict(self):
        return {"best": {1: 2}}


class Forgets(Counter):
    def load_state_dict(self, state):
        pass


class CannotLoad(Counter):
    def load_state_dict(self, state):
        self.steps = state["missing"]


class OnlyOnce(fl.Callback):
    started = False

    def on_fit_start(self):
        if self.started:
            raise RuntimeError("started already")
        self.started = True


class Shares(fl.Callback):
    attached = []

    def on_fit_start(self):
        self.attached.append(self)
        if len(set(map(id, self.attached[-2:]))) == 2:
            raise RuntimeError("there is another one")


class FearsInterruption(fl.Callback):
    def on_fit_end(self, trainer):
        if trainer.interrupted:
            raise RuntimeError("interrupted")


class FearsFailure(fl.Callback):
    def on_fit_end(self, trainer):
        if trainer.status == "failed":
            trainer.metrics["val_loss"]


class FearsExceptions(fl.Callback):
    def on_exception(self):
        raise RuntimeError("another")


class NeedsFit(fl.Callback):
    def on_fit_start(self):
        self.seen = []

    def on_validation_end(self, metrics):
        self.seen.append(metrics)


class Swallows:
    @fl.hookimpl(wrapper=True, tryfirst=True)
    def on_train_batch_end(self):
        try:
            yield
        except Exception:
            return


BROKEN = {
    Misspelled: r"its hooks must exist and take .*on_fit_begin is not a hook",
    Raises: r"it must survive a training; ZeroDivisionError: oops",
    Meddles: r"its role is READER, yet without it training gives another body\.0\.weight",
    Draws: r"its role is READER, yet .* draw no random numbers of the training",
    NotJson: r"state_dict must be JSON-able; TypeError",
    Tuples: r"state_dict must come back from JSON as it was, got .*use dicts with string keys",
    IntegerKeys: r"state_dict must come back from JSON as it was",
    Forgets: r"load_state_dict must restore all of state_dict, got .*'steps': 0",
    CannotLoad: r"a new callback must load what state_dict returned; KeyError",
    OnlyOnce: r"it must survive a second training; RuntimeError: started already",
    Shares: r"two of it must work side by side; RuntimeError: there is another one",
    FearsInterruption: r"it must survive an interrupted training; RuntimeError: interrupted",
    FearsFailure: r"it must survive a training that raises; and then KeyError",
    FearsExceptions: r"it must survive a training that raises; and then RuntimeError: another",
    Swallows: r"it must let the training's own exception pass, which was lost",
    NeedsFit: r"it must survive an evaluation without a training; AttributeError",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_law_is_named_with_its_callback(kind):
    Shares.attached.clear()
    with pytest.raises(AssertionError, match=rf"check_callback: {kind.__name__}.*: {BROKEN[kind]}"):
        check_callback(kind)


def test_make_callback_must_make():
    one = Counter()
    with pytest.raises(AssertionError, match="must return a new callback each time"):
        check_callback(lambda: one)
    with pytest.raises(
        AssertionError, match=r"expected a function .* write check_callback\(lambda"
    ):
        check_callback(one)


# They refuse a model that writes no text, to draw outside a notebook, and inputs of three numbers;
# see their tests.
REFUSING = {"text_samples", "live_curves", "decision_boundary"}
OURS = set(plugins.registry("callback").names()) - REFUSING


@pytest.mark.curves
@pytest.mark.parametrize("name", slow_but(sorted(OURS), *sorted(OURS - {"check", "profiler"})))
def test_every_callback_of_ours_that_needs_no_arguments_keeps_the_laws(name, monkeypatch):
    # Drawing takes longer than all the trainings.
    monkeypatch.setattr("firstlight.tools.figures.canvas.as_bytes", lambda figure, kind: b"")
    kind = plugins.registry("callback").get(name)
    try:
        kind()
    except (TypeError, ValueError):
        return
    check_callback(kind)


def test_tiny_trainer_trains_without_leaving_anything(tmp_path):
    trainer = tiny_trainer()
    assert (trainer.status, trainer.epoch, trainer.step) == ("finished", 2, 6)
    assert trainer.run is None
    assert list(tmp_path.iterdir()) == []


def test_tiny_trainer_with_a_run_folder(tmp_path):
    trainer = tiny_trainer(runs_dir=tmp_path / "runs", max_epochs=1, accumulate_grad_batches=2)
    assert trainer.step == 2
    assert (trainer.run.path / "summary.json").is_file()
    assert trainer.run.path.is_relative_to(tmp_path)


def test_tiny_trainer_gives_the_same_numbers_every_time():
    first = tiny_trainer().module.state_dict()
    rng.seed_everything(random.randrange(1000))
    second = tiny_trainer().module.state_dict()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_tiny_net_has_right_gradients():
    check_gradients(TinyNet().eval(), tiny_data().val.arrays[0])


def test_check_gradients_finds_a_wrong_one():
    class Wrong(TinyNet):
        def backward(self, dy):
            return 1.01 * super().backward(dy)

    with pytest.raises(AssertionError, match="Wrong: dx is wrong"):
        check_gradients(Wrong().eval(), tiny_data().val.arrays[0])
