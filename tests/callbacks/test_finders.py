"""LRFinder and BatchSizeFinder: what they find, and that they leave no trace."""

import math

import numpy as np
import pytest
from clocks import Clock

import firstlight as fl
from firstlight.callbacks import BatchSizeFinder, LRFinder, LRSchedule, ModelCheckpoint
from firstlight.callbacks import batch_size_finder as module_of_sizes
from firstlight.callbacks.lr_finder import LRSearch
from firstlight.testing import TinyNet, tiny_data, tiny_trainer


def weights(trainer):
    return {name: array.tobytes() for name, array in trainer.module.state_dict().items()}


# --- learning rates ------------------------------------------------------------------------------


@pytest.fixture
def mnist_like():
    """Ten classes that a linear model tells apart."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 30))
    y = rng.integers(0, 10, 2000)
    return (centres[y] + 0.3 * rng.normal(size=(2000, 30))).astype("float32"), y


def test_the_suggestion_trains_far_better_than_one_a_hundred_times_smaller(mnist_like, capsys):
    def final_loss(factor):
        fl.seed_everything(0)
        finder = LRFinder(min_lr=1e-6, max_lr=10.0)
        scale = fl.callbacks.LambdaCallback(
            on_train_epoch_start=lambda trainer: setattr(
                trainer.optimizer, "lr", trainer.optimizer.lr * factor
            )
        )
        settings = {"default_callbacks": False, "runs_dir": None}
        trainer = fl.Trainer(max_epochs=1, callbacks=[finder, scale], **settings)
        history = trainer.fit(fl.models.MLP(30, 10, hidden=(32,)), mnist_like)
        assert 1e-5 < finder.search.suggestion < 1
        return history["train_loss"][-1]

    assert final_loss(1.0) < 0.7 * final_loss(0.01)
    assert "LRFinder: suggests lr=" in capsys.readouterr().out


def test_the_learning_rates_it_tries():
    finder = LRFinder(1e-4, 1e-1, num_training=16, early_stop_threshold=None)
    tiny_trainer([finder])
    np.testing.assert_allclose(finder.search.lrs, np.geomspace(1e-4, 1e-1, 16))
    finder = LRFinder(1e-4, 1e-1, num_training=16, mode="linear", early_stop_threshold=None)
    tiny_trainer([finder])
    np.testing.assert_allclose(finder.search.lrs, np.linspace(1e-4, 1e-1, 16))


def test_it_stops_when_the_loss_explodes(mnist_like):
    finder = LRFinder(1e-3, 1e6, num_training=200)
    trainer = fl.Trainer(max_epochs=1, callbacks=[finder], default_callbacks=False, runs_dir=None)
    x, y = mnist_like  # no units that could die, and labels that large weights cannot fit
    trainer.fit(fl.models.MLP(30, 10, hidden=()), (x, np.roll(y, 1)))
    assert len(finder.search.lrs) < 200
    assert finder.search.losses[-1] > 4 * min(finder.search.losses)


def test_a_loss_below_zero_does_not_stop_it_at_once():
    class Below(TinyNet):
        def validation_step(self, batch):
            output = super().validation_step(batch)
            output.loss = output.loss - 100
            return output

    finder = LRFinder(1e-6, 1e-3, num_training=20)
    trainer = fl.Trainer(max_epochs=1, callbacks=[finder], default_callbacks=False, runs_dir=None)
    trainer.fit(Below(), tiny_data())
    assert len(finder.search.lrs) == 20


def test_only_reported_it_leaves_the_training_as_it_was():
    finder = LRFinder(num_training=30, update=False)
    assert weights(tiny_trainer([finder])) == weights(tiny_trainer())
    assert finder.search is not None


def test_groups_keep_their_proportions_and_schedules_start_from_it():
    class TwoGroups(TinyNet):
        def configure_optimizer(self):
            first, *others = self.parameters()
            groups = [{"params": [first], "lr": 0.5}, {"params": others, "lr": 0.1}]
            return fl.optim.SGD(groups)

    finder, schedule = LRFinder(1e-4, 10.0), LRSchedule("constant")
    trainer = fl.Trainer(
        max_epochs=1, callbacks=[schedule, finder], default_callbacks=False, runs_dir=None
    )
    trainer.fit(TwoGroups(), tiny_data())
    lrs = [group["lr"] for group in trainer.optimizer.param_groups]
    assert lrs == pytest.approx([finder.search.suggestion, finder.search.suggestion / 5])
    assert schedule.initial == lrs


def test_a_picture_is_kept_with_the_run(tmp_path):
    trainer = tiny_trainer([LRFinder(num_training=20)], runs_dir=tmp_path)
    assert (trainer.run.path / "plots" / "lr_finder.png").stat().st_size > 5000


def test_a_resumed_training_searches_nothing():
    def fit(steps, resume=None):
        finder = LRFinder(1e-4, 10.0)
        callbacks = [finder, ModelCheckpoint()]
        trainer = fl.Trainer(
            max_steps=steps, callbacks=callbacks, default_callbacks=False, name="f", seed=0
        )
        trainer.fit(TinyNet(), tiny_data(), resume=resume)
        return finder, trainer

    first, _ = fit(2)
    second, trainer = fit(4, resume="last")
    assert second.search is None
    assert trainer.optimizer.lr == pytest.approx(first.search.suggestion)


def test_no_suggestion_where_the_loss_only_rises():
    lrs = np.geomspace(1e-5, 1, 40).tolist()
    assert LRSearch(lrs, [1.0 + i for i in range(40)]).suggestion is None
    assert LRSearch(lrs[:12], [1.0] * 12).suggestion is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_lr": 0.0}, "expected 0 < min_lr < max_lr, got min_lr=0.0"),
        ({"min_lr": 2.0, "max_lr": 1.0}, "expected 0 < min_lr < max_lr"),
        ({"num_training": 5}, "num_training: expected 14 or more, got 5"),
        ({"mode": "log"}, 'mode: expected "exponential" or "linear", got \'log\''),
    ],
)
def test_bad_options_of_lr_finder(options, message):
    with pytest.raises(ValueError, match=message):
        LRFinder(**options)


# --- batch sizes ---------------------------------------------------------------------------------


class Machine(Clock):
    """A step takes 1 s, and 0.01 s more for each sample; above a limit memory is short."""

    def __init__(self, limit=math.inf):
        super().__init__()
        self.limit, self.sizes = limit, []

    def step(self, module, optimizer, batch):
        size = len(batch[0])
        if size > self.limit:
            raise MemoryError
        self.sizes.append(size)
        self.now += 1 + 0.01 * size if size <= 256 else 0.1 * size
        return 0.0


def search(monkeypatch, clock, samples=12_000, **options):
    monkeypatch.setattr(module_of_sizes, "time", clock)
    monkeypatch.setattr(module_of_sizes, "dry_step", clock.step)
    finder = BatchSizeFinder(**options)
    x, y = np.zeros((samples, 3), "float32"), np.zeros(samples, int)
    trainer = fl.Trainer(max_epochs=1, callbacks=[finder], default_callbacks=False, runs_dir=None)
    trainer.fit(TinyNet(), fl.DataLoader((x, y), 8, shuffle=True, drop_last=True, seed=5))
    return finder, trainer


def test_it_doubles_until_that_is_slower(monkeypatch, capsys):
    finder, trainer = search(monkeypatch, Machine())
    assert list(finder.rates) == [16, 32, 64, 128, 256, 512]
    assert finder.rates[16] == pytest.approx(16 / 1.16)
    assert finder.batch_size == 256
    loader = trainer.train_loader
    assert (loader.batch_size, loader.shuffle, loader.drop_last, loader.seed) == (
        256,
        True,
        True,
        5,
    )
    assert trainer.step == 46
    assert "uses 256" in capsys.readouterr().out


def test_memory_data_and_max_val_end_it(monkeypatch):
    assert search(monkeypatch, Machine(limit=64))[0].batch_size == 64
    assert list(search(monkeypatch, Machine(), max_val=40)[0].rates) == [16, 32]
    assert list(search(monkeypatch, Machine(), samples=700)[0].rates) == [16, 32]  # 20 steps
    assert list(search(monkeypatch, Machine(), samples=100, init_val=99)[0].rates) == [99]
    with pytest.raises(MemoryError, match="not even batches of 16 fit in memory"):
        search(monkeypatch, Machine(limit=8))


def test_a_real_search_leaves_weights_and_random_numbers_alone():
    finder = BatchSizeFinder(init_val=4, max_val=4)  # the size it has already
    assert weights(tiny_trainer([finder])) == weights(tiny_trainer())


def test_a_resumed_training_keeps_its_size(monkeypatch):
    def fit(steps, resume=None):
        finder = BatchSizeFinder(init_val=4, max_val=4)
        x, y = np.ones((40, 3), "float32"), np.zeros(40, int)
        trainer = fl.Trainer(
            max_steps=steps,
            callbacks=[finder, ModelCheckpoint(every_n_steps=1)],
            default_callbacks=False,
            name="b",
            seed=0,
        )
        trainer.fit(TinyNet(), fl.DataLoader((x, y), 10, shuffle=True), resume=resume)
        return trainer

    fit(3)
    resumed = fit(7, resume="last")
    assert resumed.train_loader.batch_size == 4
    assert weights(resumed) == weights(fit(7))


def test_bad_options_of_batch_size_finder(line, line_data):
    with pytest.raises(ValueError, match="expected 1 <= init_val <= max_val, got init_val=9"):
        BatchSizeFinder(init_val=9, max_val=8)
    with pytest.raises(ValueError, match="steps_per_trial: expected 1 or more, got 0"):
        BatchSizeFinder(steps_per_trial=0)
    x, y = (array.astype("float32") for array in line_data)
    trainer = fl.Trainer(callbacks=[BatchSizeFinder()], default_callbacks=False, runs_dir=None)
    with pytest.raises(TypeError, match=r"expected a firstlight.DataLoader .*, got list"):
        trainer.fit(line(), [(x, y)])
