"""The lesson on early stopping behaves like the callback."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import EarlyStopping
from firstlight.tools.course.lessons import early_stopping as lesson


class Scripted(fl.Module):
    """A model with given validation losses, whose weight falls by 1 at each step."""

    def __init__(self, losses):
        self.losses = list(losses)
        self.weight = fl.Parameter(np.zeros(1, "float32"))

    def training_step(self, batch):
        return fl.StepOutput(self.weight.data.sum(), np.ones(1, "float32"))

    def backward(self, dy):
        self.weight.grad += dy

    def validation_step(self, batch):
        return fl.StepOutput(self.losses.pop(0))

    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=1.0)


def trained(callback, losses):
    data = np.zeros((4, 1), "float32"), np.zeros(4, int)
    options = {"default_callbacks": False, "runs_dir": None, "log_every_n_steps": 1}
    options["num_sanity_val_steps"] = 0  # it would take the first of the losses
    trainer = fl.Trainer(max_epochs=len(losses), callbacks=[callback], **options)
    module = Scripted(losses)
    trainer.fit(module, data, data)
    return trainer.epoch, float(module.weight.data[0])


@pytest.mark.filterwarnings("ignore:val_loss is nan")
@pytest.mark.parametrize(
    "losses",
    [
        [5.0, 4.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        [5.0, 6.0, 4.0, 6.0, 7.0, 8.0],
        [5.0, 5.0, 5.0, 5.0],
        [5.0, 4.8, 4.6, 4.4, 4.2, 4.1],
        [5.0, np.nan, 4.0, np.nan, np.nan, 1.0],
        [np.nan, np.nan, np.nan],
        [5.0, 4.0, 3.0],
    ],
)
@pytest.mark.parametrize("min_delta", [0.0, 0.5])
def test_lesson_and_callback_stop_at_one_epoch_with_the_same_weights(losses, min_delta):
    settings = {"patience": 2, "min_delta": min_delta}
    expected = trained(EarlyStopping(restore_best=True, **settings), losses)
    assert trained(lesson.EarlyStopping(**settings), losses) == expected


def test_a_second_training_begins_afresh():
    for callback in (
        EarlyStopping(patience=2, restore_best=True),
        lesson.EarlyStopping(patience=2),
    ):
        trained(callback, [1.0, 2.0, 3.0])
        assert trained(callback, [9.0, 8.0, 9.0, 9.0, 1.0]) == (4, -2.0)
