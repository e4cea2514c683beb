"""Half precision's loss scale, on a GPU: which steps are left out, without the host."""

import numpy as np
import pytest
from half_precision import Net, compare_captured, fit

import firstlight as fl
from firstlight import Parameter, callbacks, optim
from firstlight.optim.loss_scale import FIRST, GOOD, SKIPPED, LossScale
from firstlight.support.backend import to_device
from firstlight.training.dry_runs import dry_run, dry_step, endless_batches

pytestmark = pytest.mark.gpu


class Ruled(optim.Adagrad):
    """An optimizer of one's own, which has no kernel."""

    def update(self, group, t, *arrays):
        super().update(group, t, *arrays)


RULES = {
    "adam": lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.5),
    "own": lambda p: Ruled(p, lr=0.1, lr_decay=0.5),
}


@pytest.mark.parametrize("name", RULES)
def test_a_bad_step_is_left_out_as_if_it_had_not_been(name, counts):
    rng = np.random.default_rng(1)
    values = [rng.standard_normal((3, 5)), rng.standard_normal(4)]
    here = [Parameter(value.copy()) for value in values]
    there = [Parameter(to_device(value.copy(), "cuda:0")) for value in values]
    plain, guarded = RULES[name](here), RULES[name](there)
    scale = LossScale(guarded)
    bad, frozen = {1, 2, 5}, {2, 3}  # steps; 2 is both
    for step in range(1, 9):
        gradients = [rng.standard_normal(value.shape) for value in values]
        here[1].requires_grad = there[1].requires_grad = step not in frozen
        for one, other, gradient in zip(here, there, gradients, strict=True):
            one.grad[...] = gradient
            other.grad.set(gradient * float(scale.scale))
        if step in bad:
            there[0].grad[2, 1] = float("inf" if step == 1 else "nan")
        else:
            plain.step()
        scale.unscale(guarded.flat.grad)
        before = counts["waits"]
        guarded.step()
        has_kernel = name != "own"
        froze = step in (min(frozen), max(frozen) + 1)
        assert (counts["waits"] == before) == (has_kernel and not froze)
        for one, other in zip(here, there, strict=True):
            np.testing.assert_allclose(other.data.get(), one.data, rtol=1e-12, err_msg=str(step))
    assert guarded.steps == 8
    assert float(scale.scale) == FIRST / 8
    expected, found = plain.state_dict(), guarded.state_dict()
    assert [g["steps"] for g in found["groups"]] == [g["steps"] for g in expected["groups"]]
    for key, array in expected["arrays"].items():
        np.testing.assert_allclose(found["arrays"][key].get(), array, rtol=1e-12, err_msg=key)


CASES = {
    "adamw": {},
    "accumulation": {"accumulate_grad_batches": 2},
    "clipping": {"callbacks": [callbacks.GradientClip(max_norm=0.5)]},
}


@pytest.mark.parametrize("name", CASES)
def test_a_captured_half_precision_training_has_the_bits_of_an_uncaptured_one(name):
    compare_captured(CASES[name])


def test_the_host_waits_at_log_points_only(counts):
    waits = []

    class Watch(fl.Callback):
        def on_train_batch_end(self, trainer):
            waits.append(counts["waits"])

    trainer, _ = fit(Net(), log_every_n_steps=100, callbacks=[Watch()])
    assert trainer.step == len(waits) == 28
    assert trainer.optimizer.loss_scale.take_skipped() > 0
    waited = {step for step in range(1, 28) if waits[step] > waits[step - 1]}
    assert waited <= {7, 14, 21}  # the epochs' records


@pytest.mark.parametrize("stop", [2, 10])
def test_resuming_is_exact_while_steps_are_left_out(stop, tmp_path):
    def run(folder, resume=None, **settings):
        fl.seed_everything(0)
        module = Net()
        settings |= {"runs_dir": tmp_path / folder, "callbacks": [callbacks.ModelCheckpoint()]}
        trainer, history = fit(module, resume=resume, **settings)
        return trainer, history, module.state_dict()

    whole, history, expected = run("whole")
    run("parts", max_steps=stop)
    trainer, resumed, found = run("parts", resume="last")
    assert history["loss_scale"][1] < FIRST, "the first steps are not bad"
    assert resumed["loss_scale"] == history["loss_scale"]
    assert trainer.optimizer.state_dict()["groups"] == whole.optimizer.state_dict()["groups"]
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_the_scale_grows_again(monkeypatch):
    monkeypatch.setattr(LossScale, "growth_interval", 5)
    _, history = fit(Net(), max_epochs=8)
    scales = history["loss_scale"]
    assert max(after / before for before, after in zip(scales, scales[1:], strict=False)) == 2


def test_a_gradient_that_is_never_finite_ends_the_training():
    class Broken(Net):
        def backward(self, dy):
            return self.body.backward(dy * float("nan"))

    with pytest.raises(FloatingPointError, match="scale has fallen to .*lower the learning rate"):
        fit(Broken(), max_epochs=20)


def test_nan_guard_leaves_overflow_to_the_loss_scale():
    guard = callbacks.NaNGuard(action="raise")
    trainer, history = fit(Net(), callbacks=[guard])
    assert trainer.status == "finished"
    assert history["loss_scale"][-1] < FIRST


def test_a_dry_run_leaves_the_scale_as_it_was():
    seen = []

    class Tries(fl.Callback):
        def on_train_batch_end(self, trainer):
            if trainer.step == 1:
                scale = trainer.optimizer.loss_scale
                seen.append([float(scale.scale), scale.counts.get()[[GOOD, SKIPPED]].tolist()])
                training = trainer.module, trainer.optimizer
                batches = endless_batches(trainer.train_loader, trainer.device, "float32")
                with dry_run(*training, trainer.train_loader):
                    for batch, _ in zip(batches, range(3), strict=False):
                        dry_step(*training, batch)
                seen.append([float(scale.scale), scale.counts.get()[[GOOD, SKIPPED]].tolist()])

    _, history = fit(Net(), callbacks=[Tries()])
    assert seen[0] == [FIRST / 2, [0, 1]]
    assert seen[1] == [FIRST / 2, [0, 0]]  # the one left out is among the steps missed
    fl.seed_everything(0)
    assert len(history["loss_scale"]) == 28


def test_a_float16_module_is_refused():
    with pytest.raises(ValueError, match="keeps weights in float32, but the module is float16"):
        fit(Net(lambda p: optim.SGD(p, lr=0.1)).to(dtype="float16"))
