"""EMA and SWA: a training that is resumed has the same weights and the same average."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks.averaging import EMA, SWA
from firstlight.callbacks.model_checkpoint import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.testing import TinyNet, check_resume, tiny_data

AVERAGES = [lambda: EMA(0.9), lambda: EMA(0.9, start_step=3), lambda: SWA(start_epoch=1)]


def same(one, other):
    return {n: a.tobytes() for n, a in one.items()} == {n: a.tobytes() for n, a in other.items()}


@pytest.mark.parametrize("make", AVERAGES)
@pytest.mark.parametrize("steps", [1, 4])
def test_the_training_resumes_exactly(make, steps):
    check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [make()], steps=steps)
    check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [make(), make(), EMA()], steps=steps)


@pytest.mark.parametrize("make", AVERAGES)
@pytest.mark.parametrize("steps", [3, 4])
def test_the_average_resumes_exactly(make, steps):
    def fit(name, until, resume=None):
        last = ModelCheckpoint()
        trainer = fl.Trainer(
            max_steps=until, name=name, seed=4, callbacks=[make(), last], default_callbacks=False
        )
        module = TinyNet()
        trainer.fit(module, tiny_data(), resume=resume)
        return trainer, module.state_dict()

    whole, expected = fit("whole", 9)
    fit("parts", steps)
    parts, found = fit("parts", 9, resume="last")
    assert same(found, expected)
    paths = [t.run.checkpoints / "last.safetensors" for t in (whole, parts)]
    one, other = map(Checkpoint.load, paths)
    assert one.arrays
    assert same(one.arrays, other.arrays)
    assert same(one.model, other.model)
    assert same(one.model, expected)


def test_resuming_without_the_average_goes_on_from_it_and_says_so():
    def fit(until, *callbacks, resume=None):
        settings = {"name": "z", "seed": 0, "default_callbacks": False}
        trainer = fl.Trainer(max_steps=until, callbacks=[*callbacks, ModelCheckpoint()], **settings)
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        return trainer

    fit(3, EMA(0.5))
    with pytest.warns(UserWarning, match="a state of callback EMA, which this training does not"):
        fit(6, resume="last")


def test_an_average_added_on_resuming_starts_there():
    weights = {}

    class Watch(fl.Callback):
        def on_train_batch_end(self, trainer, module):
            weights[trainer.step] = module.state_dict()

    def fit(until, *callbacks, resume=None):
        settings = {"name": "y", "seed": 0, "default_callbacks": False}
        trainer = fl.Trainer(max_steps=until, callbacks=[ModelCheckpoint(), *callbacks], **settings)
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        return trainer.module.state_dict()

    fit(3)
    found = fit(6, EMA(0.5, warmup=False), Watch(), resume="last")
    for name, array in found.items():
        wanted = 0.25 * weights[4][name] + 0.25 * weights[5][name] + 0.5 * weights[6][name]
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-7)
