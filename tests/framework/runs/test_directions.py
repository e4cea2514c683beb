"""Which direction of a metric is better: told by whole words, else by the user."""

import pytest

import firstlight as fl
from firstlight.callbacks import EarlyStopping, LRSchedule, ModelCheckpoint
from firstlight.runs.compare import best_indices
from firstlight.runs.directions import direction, resolve_mode
from firstlight.runs.history import History
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools.sweeps.spec import SweepSpec


@pytest.mark.parametrize(
    ("names", "mode"),
    [
        ("val_loss train_loss_step loss val_error_rate rmse val_perplexity ce/loss loss_2", "min"),
        ("val_mae accuracy_error precision-loss", "min"),
        ("val_acc test_accuracy f1 f1_macro val_r2 iou mIoU top5_acc acc1 recall@10 BLEU", "max"),
        ("val_auc_roc precision_at_5 log_likelihood error_accuracy mAP50", "max"),
        ("val_score val_glossiness terror lr loss_scale acc_gap val_lss bacc neg_mse", None),
        ("negative_log_likelihood negative.loss epoch_seconds 1-acc_drop loss_std", None),
    ],
)
def test_names_tell_by_whole_words(names, mode):
    for name in names.split():
        assert (name, direction(name)) == (name, mode)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping("val_score"), 'say mode="max" or mode="min"$'),
        (lambda: EarlyStopping("val_lss"), "did you mean 'val_loss'"),
        (lambda: ModelCheckpoint("val_acuracy"), "did you mean 'val_accuracy'"),
        (lambda: LRSchedule("plateau", monitor="val_x"), "'val_x': its name does not tell"),
        (lambda: History([{"score": 1.0}]).best("score"), "'score': its name does not tell"),
        (lambda: SweepSpec("s", {"a": [1]}, metric="val_score"), "say goal: maximize or goal:"),
        (lambda: resolve_mode("loss", "lowest"), 'expected "auto", "min" or "max"'),
    ],
)
def test_an_unknown_name_must_be_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Scored(TinyNet):
    """Has a metric of which larger is better, as its name does not tell."""

    def validation_step(self, batch):
        output = super().validation_step(batch)
        output.metrics["score"] = -output.loss
        return output


def fit(*callbacks, model=TinyNet, **settings):
    trainer = fl.Trainer(
        max_epochs=3, callbacks=list(callbacks), default_callbacks=False, **settings
    )
    trainer.fit(model(), tiny_data())
    return trainer


def test_what_a_callback_was_told_holds_for_the_run():
    trainer = fit(ModelCheckpoint("val_score", mode="max"), model=Scored)
    assert trainer.history.best("val_score")["epoch"] == 3
    assert trainer.run.summary["best"]["val_score"]["epoch"] == 3
    trainer = fit(model=Scored)
    assert "val_score" not in trainer.run.summary["best"]


def test_a_comparison_marks_no_best_of_an_unknown():
    assert best_indices("val_score", [1.0, 2.0]) == []
    assert best_indices("val_score", [1.0, 2.0], "max") == [1]
    assert best_indices("val_r2", [1.0, 2.0]) == [1]


MONITORING = [
    lambda **told: EarlyStopping(**told),
    lambda **told: ModelCheckpoint(**told),
    lambda **told: LRSchedule("plateau", **told),
]


@pytest.mark.parametrize("make", MONITORING)
def test_without_validation_data_it_is_named_before_training(make):
    trainer = fl.Trainer(
        callbacks=[make(monitor="val_loss")], default_callbacks=False, runs_dir=None
    )
    x, y = tiny_data().train[:]
    with pytest.raises(
        ValueError, match=r"monitor='val_loss' will not be logged.*need validation data"
    ):
        trainer.fit(TinyNet(), (x, y))
    assert trainer.step == 0


@pytest.mark.parametrize("make", MONITORING)
@pytest.mark.parametrize("name", ["val_lss", "train_lss", "val_loss_step"])
def test_what_is_never_logged_is_named_after_one_epoch(make, name):
    monitoring = make(monitor=name, mode="min")
    trainer = fl.Trainer(
        callbacks=[monitoring], default_callbacks=False, runs_dir=None, val_every=2
    )
    stage = name.partition("_")[0]
    with pytest.raises(ValueError, match=rf"monitor='{name}'.*did you mean '{stage}_loss'"):
        trainer.fit(TinyNet(), tiny_data())
    assert trainer.epoch == 1


def test_names_that_only_a_validation_tells_are_waited_for():
    stopping = EarlyStopping("val_score", mode="max", patience=5)
    trainer = fit(stopping, model=Scored, val_every=3, runs_dir=None)
    assert stopping.monitor.epoch == 3
    assert trainer.status == "finished"
