"""Several optimizers of one model, stepped by the Trainer or by ``training_step``."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from two_optimizers import GAN, ActorCritic, HandActorCritic, episodes, points

import firstlight as fl
from firstlight import callbacks, nn, optim
from firstlight.data import DataLoader
from firstlight.optim.optimizers import Optimizers
from firstlight.training.optimizer_checks import stepped_by_hand


def trained(model, data, *used, seed=0, resume=None, **settings):
    """Return the trainer after it has trained a new model."""
    settings = {"max_epochs": 3, "runs_dir": None, "log_every_n_steps": 1} | settings
    trainer = fl.Trainer(callbacks=list(used), default_callbacks=False, **settings)
    fl.seed_everything(seed)
    trainer.fit(model(), data, resume=resume)
    return trainer


def state_of(trainer):
    """Return the bytes of parameters and optimizer states by name."""
    state = trainer.module.state_dict() | trainer.optimizer.state_dict()["arrays"]
    return {name: array.tobytes() for name, array in state.items()}


def gan_data():
    return DataLoader(points(), batch_size=8, shuffle=True)


def regulated(name):
    """Return a schedule and a clipping for one optimizer, and a clipping for all."""
    return (
        callbacks.LRSchedule("cosine", optimizer=name),
        callbacks.GradientClip(max_norm=0.1, optimizer=name),
        callbacks.GradientClip(clip_value=0.05),
    )


def test_an_actor_and_a_critic_are_the_same_bytes_together_by_hand_and_in_a_loop():
    together = trained(ActorCritic, episodes())
    assert state_of(trained(HandActorCritic, episodes())) == state_of(together)
    fl.seed_everything(0)
    net = ActorCritic()
    named = net.configure_optimizer()
    for batch in 3 * episodes():
        _, dy = net.losses(batch)
        net.backward(dy)
        for optimizer in named.values():
            optimizer.step()
            optimizer.zero_grad()
    final = together.module.state_dict()
    assert {n: a.tobytes() for n, a in net.state_dict().items()} == {
        n: a.tobytes() for n, a in final.items()
    }


def test_a_gan_is_the_same_bytes_by_hand_in_a_loop_and_by_train_batch():
    data = [(points()[0][start : start + 8],) for start in range(0, 40, 8)]
    trainer = trained(GAN, data)
    fl.seed_everything(0)
    net = GAN()
    named = net.configure_optimizer()
    for (real,) in 3 * data:
        fake = net.generator(net.rng.normal(size=(8, 3)).astype("float32"))
        net.judged(real, 1)
        net.judged(fake, 0)
        named["d"].step()
        _, dfake = net.judged(fake, 1)
        net.generator.backward(dfake)
        named["g"].step()
        net.zero_grad()
    final = {n: a.tobytes() for n, a in trainer.module.state_dict().items()}
    assert {n: a.tobytes() for n, a in net.state_dict().items()} == final

    fl.seed_everything(0)
    single, net = fl.Trainer(), GAN()
    for batch in 3 * data:
        found = single.train_batch(net, batch)
    assert {n: a.tobytes() for n, a in net.state_dict().items()} == final
    assert list(found) == ["loss", "d_loss"]
    assert found["loss"] == trainer.metrics["train_loss_step"]


@pytest.mark.parametrize("used", [regulated("critic"), regulated("actor")])
def test_schedules_and_clipping_act_on_one_optimizer_in_both_ways(used):
    plain = trained(ActorCritic, episodes())
    pair = [trained(kind, episodes(), *used) for kind in (ActorCritic, HandActorCritic)]
    assert state_of(pair[0]) == state_of(pair[1]) != state_of(plain)
    name = used[0].optimizer
    other = {"critic": "actor", "actor": "critic"}[name]
    for trainer in pair:
        rates = trainer.history
        assert rates[f"lr/{name}"][-1] < rates[f"lr/{name}"][0]
        assert len(set(rates[f"lr/{other}"])) == 1
        assert "lr" not in rates


def test_two_rules_on_one_network_step_together_as_groups_of_one_rule_do():
    class Mixed(fl.Module):
        groups = False

        def __init__(self):
            self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
            self.loss = nn.MSELoss()

        def forward(self, x):
            return self.body(x)

        def backward(self, dy):
            return self.body.backward(dy)

        def configure_optimizer(self):
            matrices = [p for p in self.parameters() if len(p.shape) > 1]
            others = [p for p in self.parameters() if len(p.shape) == 1]
            if self.groups:
                return optim.SGD([{"params": matrices, "lr": 0.1}, {"params": others}], lr=0.01)
            return {"matrices": optim.SGD(matrices, lr=0.1), "others": optim.SGD(others, lr=0.01)}

    class Grouped(Mixed):
        groups = True

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 22, 3)).astype("float32")
    data = DataLoader((x, y[:, :1]), batch_size=4)
    for settings in ({}, {"accumulate_grad_batches": 2}):
        pair = [trained(kind, data, callbacks.EMA(), **settings) for kind in (Mixed, Grouped)]
        weights = [one.module.state_dict() for one in pair]
        for name, array in weights[0].items():
            assert array.tobytes() == weights[1][name].tobytes()


def test_a_gan_killed_and_resumed_ends_with_the_same_bytes(tmp_path):
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import firstlight as fl
from test_several_optimizers import GAN, LIKE, Requests, gan_data, regulated, trained

class Kill(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 8:
            trainer.checkpointing.writer.close()
            os.kill(os.getpid(), signal.SIGKILL)

trained(GAN, gan_data(), *regulated("d"), Requests(), Kill(), runs_dir=sys.argv[2], **LIKE)
"""
    folder = Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, "-c", code, folder, tmp_path / "killed"],
        env={**os.environ, "PYTHONPATH": str(folder.parents[1] / "support")},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    used = *regulated("d"), Requests()
    resumed = trained(
        GAN, gan_data(), *used, runs_dir=tmp_path / "killed", seed=5, resume="auto", **LIKE
    )
    assert resumed.run.summary["status"] == "finished"
    whole = trained(GAN, gan_data(), *regulated("d"), Requests(), **LIKE)
    assert state_of(resumed) == state_of(whole)
    assert resumed.step == whole.step == resumed.optimizer.steps == 15
    assert resumed.optimizer["d"].steps == 15
    assert timeless(resumed) == timeless(whole)


LIKE = {"name": "gan", "max_epochs": 3}


class Requests(fl.Callback):
    """Save after step 7, in the middle of the second epoch."""

    def on_train_batch_end(self, trainer):
        if trainer.step == 7 and trainer.run is not None:
            trainer.request_checkpoint(trainer.run.checkpoints / "last.safetensors")


def timeless(trainer):
    clocks = ("time", "epoch_seconds")
    return [{n: v for n, v in r.items() if n not in clocks} for r in trainer.history.records]


@pytest.mark.parametrize(("made", "other"), [(GAN, ActorCritic), (ActorCritic, None)])
def test_a_checkpoint_of_other_optimizers_is_refused(made, other, tmp_path):
    data = gan_data() if made is GAN else episodes()
    saved = trained(made, data).optimizer.state_dict()
    one = optim.Adam(nn.Linear(2, 2).parameters(), lr=0.1)
    several = Optimizers(made().configure_optimizer())
    before = {name: array.tobytes() for name, array in several.state_dict()["arrays"].items()}
    with pytest.raises(ValueError, match="the state is of several optimizers, this is Adam"):
        one.load_state_dict(saved)
    with pytest.raises(ValueError, match=r"the state is of Adam, this model has the optimizers"):
        several.load_state_dict(one.state_dict())
    saved["groups"][list(several)[1]]["groups"][0].pop("lr")
    with pytest.raises(ValueError, match="has other hyper-parameters: lr on one side only"):
        several.load_state_dict(saved)
    assert before == {n: a.tobytes() for n, a in several.state_dict()["arrays"].items()}
    if other is not None:
        with pytest.raises(ValueError, match="the state has the optimizers d, g, this model actor"):
            Optimizers(other().configure_optimizer()).load_state_dict(saved)


def gan(**changed):
    """Return a class of GANs with other methods."""
    return type("GAN", (GAN,), changed)


def returning(make):
    return gan(configure_optimizer=make)


def two(net, **changed):
    return GAN.configure_optimizer(net) | changed


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (returning(lambda net: {}), {}, "GAN.configure_optimizer returned an empty dict; give"),
        (returning(lambda net: two(net)["d"]), {}, "steps_by_hand = True has its optimizers by na"),
        (returning(lambda net: [*two(net).values()]), {}, "returned list; a model with steps_by_h"),
        (
            returning(lambda net: two(net, c=None)),
            {},
            "expected an optimizer for 'c', got NoneType",
        ),
        (returning(lambda net: {"a b": two(net)["d"]}), {}, "names of letters, digits and _"),
        (
            returning(lambda net: two(net, all=optim.SGD(net.parameters(), lr=1))),
            {},
            "parameter generator.0.weight is in the optimizers g and all; each parameter belongs",
        ),
        (
            returning(lambda net: {"d": two(net)["d"]}),
            {},
            "generator.0.weight is in no optimizer; add it to one of d, or freeze its module",
        ),
        (GAN, {"accumulate_grad_batches": 2}, "the Trainer cannot accumulate the gradients of"),
        (
            gan(training_step=lambda net, batch: net.optimizers["e"]),
            {},
            "there is no optimizer 'e'; configure_optimizer returned 'd', 'g'",
        ),
        (
            gan(training_step=lambda net, batch: fl.StepOutput(*net.judged(batch[0], 1))),
            {},
            "returned a dy, but with steps_by_hand = True the Trainer runs no backward",
        ),
        (
            gan(training_step=lambda net, batch: fl.StepOutput(net.judged(batch[0], 1)[0])),
            {},
            r"ran backward and stepped no optimizer, .* self.optimizers\['d'\].step\(\) or self",
        ),
        (
            gan(training_step=lambda net, batch: fl.StepOutput(net(batch[0][:, [0, 1, 1]]).sum())),
            {},
            r"GAN.generator.0 \(Linear\): 1 forward\(s\) .* call train\(\) of that part",
        ),
    ],
)
def test_bad_input_is_named(model, settings, message):
    with pytest.raises((TypeError, ValueError, KeyError, RuntimeError), match=message):
        trained(model, gan_data(), **settings)


def test_several_ranks_do_not_step_by_hand():
    with pytest.raises(ValueError, match="GAN.steps_by_hand is True, .* between the 2 ranks"):
        stepped_by_hand(GAN(), {1: 1}, 2)
    stepped_by_hand(ActorCritic(), {1: 1}, 2)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (callbacks.LRSchedule("cosine", optimizer="dd"), "did you mean 'd'. There are 'd', 'g'"),
        (callbacks.GradientClip(1.0, optimizer="x"), "found no optimizer 'x'; there are 'd', 'g'"),
        (callbacks.LRFinder(), "configure_optimizer returned optimizers by name \\(d, g\\)"),
    ],
)
def test_callbacks_name_the_optimizers(callback, message):
    with pytest.raises(ValueError, match=message):
        trained(GAN, gan_data(), callback)


def test_one_optimizer_has_no_name(line, line_data, quiet):
    def fit(callback):
        fl.Trainer(max_epochs=1, callbacks=[callback], **quiet).fit(line(), line_data)

    class Asks(fl.Callback):
        def on_fit_start(self, module):
            module.optimizers.clear()

    with pytest.raises(ValueError, match="Line.configure_optimizer returned one optimizer without"):
        fit(callbacks.GradientClip(1.0, optimizer="d"))
    with pytest.raises(AttributeError, match="returned one optimizer, which the Trainer steps"):
        fit(Asks())
    with pytest.raises(AttributeError, match="Line.trainer: no Trainer is running"):
        line().optimizers.clear()


def test_an_optimizer_that_is_never_stepped_is_a_warning():
    def training_step(net, batch):
        loss, _ = net.judged(batch[0], 1)
        net.optimizers["d"].step()
        return fl.StepOutput(loss)

    data = DataLoader(points(), batch_size=4)
    with pytest.warns(UserWarning, match="has not stepped the optimizer 'g' in 10 steps; call"):
        trained(gan(training_step=training_step), data)


def test_a_skipped_step_by_hand_leaves_the_later_ones_of_its_batch_out():
    class Skip(fl.Callback):
        """Skip the first step of batch 1, and the second step of batch 2."""

        def __init__(self):
            self.calls = 0

        def on_before_optimizer_step(self, trainer, optimizer):
            self.calls += 1
            if self.calls in (1, 3):
                trainer.skip_step()

    trainer = trained(GAN, gan_data(), Skip(), max_epochs=1)
    assert trainer.step == trainer.optimizer.steps == 4  # of five batches
    assert {name: one.steps for name, one in trainer.optimizer.items()} == {"d": 4, "g": 3}


def test_a_bad_gradient_is_one_finding_whichever_optimizers_have_it():
    class Bad(fl.Callback):
        role = fl.Role.WRITER

        def on_before_optimizer_step(self, trainer, module):
            if trainer.progress.batch_idx == 1:
                module.optimizers.flat.grad[...] = np.nan

    guard = callbacks.NaNGuard("skip")
    for model, data in ((GAN, gan_data()), (ActorCritic, episodes())):
        with pytest.warns(UserWarning, match="the gradient is not finite") as caught:
            trainer = trained(model, data, Bad(), guard, max_epochs=1)
        assert (len(caught), guard.skipped, trainer.step) == (1, 1, 4)


def test_what_a_run_keeps_of_several_optimizers(tmp_path):
    used = (
        callbacks.LRMonitor(log_momentum=True),
        "tensorboard",
        "layer_monitor",
        "model_checkpoint",
    )
    trainer = trained(ActorCritic, episodes(), *used, "throughput", runs_dir=tmp_path)
    names = {name for record in trainer.history.records for name in record}
    assert {"lr/actor", "lr/critic", "momentum/actor", "momentum/critic"} <= names
    kept = json.loads((trainer.run.path / "config.json").read_text())["optimizer"]
    assert {name: one["name"] for name, one in kept.items()} == {"actor": "AdamW", "critic": "SGD"}
    predicted = trainer.predict(trainer.module, episodes())
    assert {name: array.shape for name, array in predicted.items()} == {
        "logits": (37, 2),
        "value": (37, 1),
    }
