import json

import pytest

from firstlight import Callback, Role, Trainer, optim
from firstlight.callbacks import LRSchedule
from firstlight.optim import schedules


class Rates(Callback):
    """Note every group's learning rate at each optimizer step."""

    def __init__(self):
        self.found = []

    def on_before_optimizer_step(self, optimizer):
        self.found.append([group["lr"] for group in optimizer.param_groups])


@pytest.fixture
def two_groups(line):
    class TwoGroups(line):
        def configure_optimizer(self):
            weight, bias = self.parameters()
            groups = [{"params": [weight]}, {"params": [bias], "lr": 0.01}]
            return optim.SGD(groups, lr=0.1)

    return TwoGroups


@pytest.fixture
def rates(two_groups, line_data, quiet):
    """Train (3 steps an epoch) with a schedule; return each group's learning rates by step."""

    def rates(schedule, val_data=line_data, **settings):
        watcher = Rates()
        settings = settings or {"max_epochs": 4}
        trainer = Trainer(callbacks=[watcher, schedule], **settings, **quiet)
        trainer.fit(two_groups(), line_data, val_data)
        return [list(group) for group in zip(*watcher.found, strict=True)]

    return rates


def curve(schedule, steps, lr, **settings):
    return pytest.approx([schedule(s, lr, **settings) for s in steps], rel=1e-14)


@pytest.mark.parametrize(
    ("name", "given", "settings"),
    [
        ("constant", {}, {}),
        ("step", {"step_size": 5}, {"step_size": 5}),
        ("step", {"step_size": 5, "gamma": 0.5}, {"step_size": 5, "gamma": 0.5}),
        ("multistep", {"milestones": [2, 7]}, {"milestones": [2, 7]}),
        ("exponential", {"gamma": 0.9}, {"gamma": 0.9}),
        ("cosine", {}, {"total_steps": 12}),
        ("cosine", {"eta_min": 1e-3}, {"total_steps": 12, "eta_min": 1e-3}),
        ("cosine", {"total_steps": 8}, {"total_steps": 8}),
        ("warmup_cosine", {"warmup_steps": 3}, {"total_steps": 12, "warmup_steps": 3}),
        ("polynomial", {"power": 2.0}, {"total_steps": 12, "power": 2.0}),
        ("inverse_sqrt", {"warmup_steps": 3}, {"warmup_steps": 3}),
        ("cosine_restarts", {"T_0": 2, "T_mult": 2}, {"T_0": 2, "T_mult": 2}),
        ("one_cycle", {"pct_start": 0.5}, {"total_steps": 12, "pct_start": 0.5}),
    ],
)
def test_by_step_each_group_follows_the_formula(name, given, settings, rates):
    first, second = rates(LRSchedule(name, **given))
    function = schedules.SCHEDULES[name]
    assert first == curve(function, range(12), 0.1, **settings)
    assert second == curve(function, range(12), 0.01, **settings)


def test_by_epoch_it_changes_at_the_start_of_epochs(rates):
    first, second = rates(LRSchedule("cosine", interval="epoch"))
    epochs = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert first == curve(schedules.cosine, epochs, 0.1, total_steps=4)
    assert second == curve(schedules.cosine, epochs, 0.01, total_steps=4)


def test_any_schedule_may_warm_up(rates):
    first, _ = rates(LRSchedule("cosine", warmup_steps=4))
    assert first[:4] == pytest.approx([0.02, 0.04, 0.06, 0.08])
    assert first[4:] == curve(schedules.cosine, range(8), 0.1, total_steps=8)


def test_a_training_within_the_warmup(rates):
    for name in ("cosine", "warmup_cosine", "one_cycle", "plateau"):
        first, _ = rates(LRSchedule(name, warmup_steps=99), fast_dev_run=True)
        assert first == [0.001]


def test_by_time_alone_the_end_is_unknown(rates):
    with pytest.raises(ValueError, match="number of steps of the training; set total_steps, or"):
        rates(LRSchedule(), max_time=60)
    with pytest.raises(ValueError, match="number of epochs .* or the trainer's max_epochs"):
        rates(LRSchedule(interval="epoch"), max_steps=5)
    first, _ = rates(LRSchedule(interval="epoch", total_steps=9), max_steps=4)
    assert first == curve(schedules.cosine, [0, 0, 0, 1], 0.1, total_steps=9)


# --- plateau -------------------------------------------------------------------------------------


def test_plateau_reduces_when_the_value_stays(rates):
    """With so large a threshold no value is ever better than the first."""
    plateau = LRSchedule("plateau", patience=1, factor=0.5, threshold=0.999999)
    first, second = rates(plateau, max_epochs=6)
    assert first == [0.1] * 9 + [0.05] * 6 + [0.025] * 3
    assert second == pytest.approx([0.01] * 9 + [0.005] * 6 + [0.0025] * 3)


def test_plateau_counts_every_validation(rates):
    plateau = LRSchedule("plateau", patience=0, factor=0.5, threshold=0.999999)
    first, _ = rates(plateau, max_steps=5, val_every="1 step")
    assert first == [0.1, 0.1, 0.05, 0.025, 0.0125]


def test_plateau_waits_for_validations_that_are_not_due(rates):
    plateau = LRSchedule("plateau", patience=0, factor=0.5, threshold=0.999999)
    first, _ = rates(plateau, max_epochs=5, val_every=2)
    assert first == [0.1] * 12 + [0.05] * 3


def test_plateau_watches_training_values_too(rates):
    plateau = LRSchedule("plateau", monitor="train_loss", patience=0, threshold=0.999999)
    first, _ = rates(plateau, max_epochs=3, val_data=None)
    assert first == pytest.approx([0.1] * 6 + [0.01] * 3)


def test_plateau_takes_larger_accuracies_for_better():
    assert LRSchedule("plateau", monitor="val_acc").plateau.mode == "max"
    assert LRSchedule("plateau", monitor="val_acc", mode="min").plateau.mode == "min"
    assert LRSchedule("plateau").plateau.mode == "min"


def test_plateau_needs_a_value_that_is_there(rates):
    with pytest.raises(ValueError, match="'val_los': its name .* did you mean 'val_loss'"):
        rates(LRSchedule("plateau", monitor="val_los"))
    with pytest.raises(ValueError, match="monitor=.val_loss. was not logged; there .* val_data"):
        rates(LRSchedule("plateau"), val_data=None)


# --- state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        {"schedule": "one_cycle", "total_steps": 12},
        {"schedule": "plateau", "patience": 0, "threshold": 0.999999, "factor": 0.5},
        {"schedule": "cosine", "interval": "epoch", "total_steps": 4},
    ],
    ids=lambda s: s["schedule"],
)
def test_state_takes_a_new_callback_to_the_same_rates(schedule, line, line_data, quiet):
    """Stop after 2 of 4 epochs; optimizer and callback of another process take over."""
    whole = Rates()
    callbacks = [LRSchedule(**schedule), whole]
    Trainer(max_epochs=4, callbacks=callbacks, **quiet).fit(line(), line_data, line_data)

    first = LRSchedule(**schedule)
    trainer = Trainer(max_epochs=2, callbacks=[first], **quiet)
    trainer.fit(line(), line_data, line_data)
    saved = json.loads(json.dumps(first.state_dict(), allow_nan=False))

    second = LRSchedule(**schedule)
    second.load_state_dict(saved)
    second.on_fit_start(trainer)  # whose optimizer has the reduced learning rates
    hook_args = {"trainer": trainer}
    found = []
    for epoch in (3, 4):
        trainer.progress.epoch = epoch
        second.on_train_epoch_start(**hook_args)
        for _ in range(3):
            second.on_before_optimizer_step(**hook_args)
            found.append([trainer.optimizer.lr])
            trainer.progress.step += 1
        second.on_log(trainer, {"val_loss": 1e9})
    assert found == whole.found[6:]


def test_a_second_fit_starts_afresh(two_groups, line_data, quiet):
    watcher = Rates()
    schedule = LRSchedule("plateau", patience=0, threshold=0.999999)
    trainer = Trainer(max_epochs=3, callbacks=[schedule, watcher], **quiet)
    trainer.fit(two_groups(), line_data, line_data)
    once, watcher.found = watcher.found, []
    trainer.fit(two_groups(), line_data, line_data)
    assert watcher.found == once
    assert once[0] != once[-1]


def test_state_of_other_groups_is_refused(line, line_data, quiet):
    trainer = Trainer(max_epochs=1, **quiet)
    trainer.fit(line(), line_data)
    schedule = LRSchedule()
    schedule.load_state_dict({"param": "lr", "initial": [0.1, 0.2], "plateau": None})
    with pytest.raises(ValueError, match="the checkpoint has 2 values of lr, this training has 1"):
        schedule.on_fit_start(trainer)


def test_a_resume_that_was_refused_leaves_nothing_behind(line, line_data, quiet):
    schedule, rates = LRSchedule("constant"), Rates()
    schedule.load_state_dict({"param": "lr", "initial": [0.7], "plateau": None})
    Trainer(max_epochs=1, callbacks=[schedule, rates], **quiet).fit(line(lr=0.01), line_data)
    assert rates.found == [[0.01]] * 3


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosin"}, "schedule: there is no 'cosin'; did you mean .cosine."),
        ({"schedule": "xyz"}, 'schedule: expected "constant", "step", "multistep", .*, got .xyz.'),
        (
            {"interval": "epochs"},
            'interval: expected "step" or "epoch", got .epochs.; did you mean',
        ),
        ({"schedule": "step"}, "step needs step_size; set it"),
        ({"schedule": "exponential"}, "exponential needs gamma; set it"),
        ({"schedule": "cosine_restarts"}, "cosine_restarts needs T_0; set it"),
        ({"schedule": "cosine_restarts", "T_0": 0}, "T_0: expected 1 or more, got 0"),
        ({"gamma": 0.1}, "cosine does not take gamma; it takes total_steps, eta_min"),
        ({"schedule": "constant", "gamma": 0.1}, "does not take gamma; it takes no settings"),
        ({"schedule": "step", "step_size": 0}, "step_size: expected 1 or more, got 0"),
        ({"warmup_steps": -1}, "warmup_steps: expected 0 or more, got -1"),
        ({"warmup_steps": 5, "total_steps": 5}, "leaves nothing of total_steps=5"),
        ({"schedule": "plateau", "mode": "least"}, 'mode: expected "auto", "min" or "max"'),
        ({"schedule": "plateau", "factor": 2.0}, r"expected a factor in \[0, 1\)"),
        ({"schedule": "plateau", "monitor": "auto"}, 'name the value to monitor, e.g. "val_loss"'),
    ],
)
def test_mistakes_are_told(settings, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        LRSchedule(**settings)


def test_its_role_is_to_write():
    assert LRSchedule.role == Role.WRITER
