"""Dry runs change nothing, whatever happens inside."""

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.support import rng
from firstlight.testing import tiny_data
from firstlight.training.dry_runs import dry_run, dry_step, endless_batches


class Net(nets.Net):
    """Batch statistics, dropout of the stream and of a generator of its own."""

    def __init__(self):
        super().__init__(
            nn.Linear(3, 5),
            nn.BatchNorm1d(5),
            nn.Dropout(0.3),
            nn.Dropout(0.3, rng=np.random.default_rng(1)),
            nn.Linear(5, 2),
            optimizer=lambda p: optim.Adam(p, lr=0.1),
        )


class DryRun(fl.Callback):
    role = fl.Role.WRITER

    def __init__(self, at_step, action):
        self.at_step, self.action = at_step, action

    def on_fit_start(self, trainer):
        self._try(trainer)

    def on_before_optimizer_step(self, trainer):
        self._try(trainer)

    def _try(self, trainer):
        if trainer.step == self.at_step:
            with dry_run(trainer.module, trainer.optimizer, trainer.train_loader):
                self.action(trainer)


def bytes_after(*callbacks):
    fl.seed_everything(0)
    trainer = fl.Trainer(
        max_epochs=3, callbacks=list(callbacks), default_callbacks=False, runs_dir=None
    )
    trainer.fit(Net(), tiny_data())
    arrays = trainer.module.state_dict() | trainer.optimizer.state_dict()["arrays"]
    return {name: array.tobytes() for name, array in arrays.items()}, rng.state_dict()


def train_a_little(trainer):
    batches = endless_batches(trainer.train_loader, trainer.device, "float32")
    for _, batch in zip(range(7), batches, strict=False):
        dry_step(trainer.module, trainer.optimizer, batch)
    trainer.optimizer.lr = 99.0


@pytest.mark.parametrize("at_step", [0, 2, 4])
def test_steps_in_a_dry_run_change_nothing(at_step):
    assert bytes_after(DryRun(at_step, train_a_little)) == bytes_after()


def test_the_same_steps_without_a_dry_run_change_much():
    class Plain(DryRun):
        def _try(self, trainer):
            if trainer.step == self.at_step:
                self.action(trainer)

    assert bytes_after(Plain(2, train_a_little))[0] != bytes_after()[0]


def test_a_forward_that_is_not_undone_and_an_error():
    def fail(trainer):
        trainer.module(np.ones((4, 3), "float32"))
        raise KeyError("inside")

    class Tolerant(DryRun):
        def _try(self, trainer):
            training = trainer.module, trainer.optimizer, trainer.train_loader
            with pytest.raises(KeyError, match="inside"), dry_run(*training):
                fail(trainer)

    assert bytes_after(Tolerant(0, fail)) == bytes_after()
