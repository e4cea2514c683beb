"""LossSpike: which losses it takes for spikes, and what it does then."""

import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.callbacks import LossSpike
from firstlight.testing import TinyNet, check_callback, check_resume, tiny_data


class Scripted(TinyNet):
    """Reports the losses it was given."""

    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)

    def training_step(self, batch):
        output = super().training_step(batch)
        output.loss = np.float32(next(self.losses))
        return output


def fit(losses, spike, **settings):
    trainer = fl.Trainer(
        max_steps=len(losses), callbacks=[spike], default_callbacks=False, runs_dir=None, **settings
    )
    trainer.fit(Scripted(losses), tiny_data())
    return trainer


NOISY = (1 + 0.1 * np.random.default_rng(0).normal(size=60)).tolist()


@pytest.mark.parametrize("action", slow_but(["warn", "stop", "raise"], "warn"))
def test_it_keeps_the_laws(action):
    check_callback(lambda: LossSpike(window=3, action=action))
    check_resume(TinyNet, tiny_data(), make_callbacks=lambda: [LossSpike(window=3)])


def test_a_jump_is_named_logged_and_kept_out_of_the_window():
    losses = [*NOISY[:30], 8.0, *NOISY[30:40], 8.0, *NOISY[40:]]
    spike = LossSpike(window=20)
    with pytest.warns(UserWarning, match=r"LossSpike: step (31|42) .* a loss of 8, ") as caught:
        trainer = fit(losses, spike)
    assert spike.spikes == [31, 42]
    assert len(caught) == 2
    assert trainer.history.steps("loss_spike") == [31, 42]
    assert trainer.history["loss_spike"] == [8.0, 8.0]


@pytest.mark.parametrize(
    "losses",
    [
        NOISY,
        [8.0, *NOISY],  # before the window is full
        [*NOISY, 1.9],  # less than twice the mean
        [*np.linspace(3, 0.1, 40)],
        [*[0.5] * 30, 0.9, *[0.5] * 10],  # no deviation at all
        [*[-5.0] * 30, -4.0, *[-5.0] * 10],  # nor here
        [*NOISY[:30], float("nan"), float("inf"), float("-inf"), *NOISY[30:]],
    ],
)
@pytest.mark.filterwarnings("ignore:train_loss is nan")
def test_what_is_no_spike(losses):
    spike = LossSpike(window=20)
    fit(losses, spike)
    assert spike.spikes == []


def test_stop_and_raise():
    losses = [*NOISY[:30], 50.0, *NOISY[30:]]
    trainer = fit(losses, LossSpike(20, action="stop"))
    assert trainer.step == 31
    assert "LossSpike: step 31 (epoch 11, batch 0) has a loss of 50" in trainer.stop_reason
    with pytest.raises(FloatingPointError, match="the median of the 20 before is 0.9"):
        fit(losses, LossSpike(20, action="raise"))


def test_a_loss_that_stays_up_is_a_spike_only_at_first():
    spike = LossSpike(window=20)
    with pytest.warns(UserWarning, match="LossSpike: step 31 "):
        fit([*NOISY[:30], *[9.0] * 100], spike)
    assert spike.spikes == [31]


def test_bad_options():
    with pytest.raises(ValueError, match="window: expected 2 or more, got 1"):
        LossSpike(window=1)
    with pytest.raises(ValueError, match="expected a threshold above 0, got 0"):
        LossSpike(threshold=0)
    with pytest.raises(ValueError, match='action: expected "warn", "stop" or "raise", got'):
        LossSpike(action="skip")
