"""Several optimizers and several outputs on a GPU: what is captured, and the same numbers."""

import numpy as np
import pytest
from two_optimizers import GAN, ActorCritic, HandActorCritic, episodes, points
from two_outputs import OneOutput, TwoOutputs, batches

import firstlight as fl
from firstlight.support.backend import to_host

pytestmark = [pytest.mark.forms, pytest.mark.gpu]


class Captured(ActorCritic):
    """A training step that does the same work each time."""

    capturable = True


def fit(model, data, device="cuda", **settings):
    fl.seed_everything(0)
    used = ["nan_guard", fl.callbacks.GradientClip(1.0)]
    trainer = fl.Trainer(
        max_epochs=2,
        runs_dir=None,
        default_callbacks=False,
        callbacks=used,
        device=device,
        **settings,
    )
    trainer.fit(model(), data, data)
    return trainer


@pytest.mark.parametrize(
    ("model", "data", "graphs", "message"),
    [
        (GAN, [points(8)] * 4, 0, "steps are not captured: GAN has steps_by_hand"),
        (HandActorCritic, episodes(), 0, "HandActorCritic has steps_by_hand"),
        (ActorCritic, episodes(), 0, "ActorCritic overrides training_step"),
        (Captured, episodes(), 2, ""),
        (TwoOutputs, batches(), 2, ""),
        (OneOutput, batches(as_tuples=True), 2, ""),
    ],
)
def test_the_numbers_of_the_cpu(model, data, graphs, message, caplog):
    trainer = fit(model, data)
    assert len(getattr(trainer.loop.step, "graphs", ())) == graphs
    assert message in (caplog.messages[0] if caplog.messages else "")
    other = fit(model, data, "cpu").module.state_dict()
    for name, array in trainer.module.state_dict().items():
        np.testing.assert_allclose(to_host(array), other[name], rtol=1e-3, atol=1e-4)


def test_half_precision():
    for model, data in ((Captured, episodes()), (TwoOutputs, batches()), (GAN, [points(8)])):
        assert np.isfinite(fit(model, data, precision="bf16").metrics["train_loss"])
    with pytest.raises(ValueError, match='precision "16" scales the loss of a single one; use'):
        fit(TwoOutputs, batches(), precision="16")
