"""Several sets of validation data by name: means over all and of each one."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer
from firstlight.callbacks import EarlyStopping, ModelCheckpoint
from firstlight.data.named_loaders import NamedLoaders
from firstlight.runs.records import read_records


@pytest.fixture
def sets(line_data):
    """A few samples as they are, and many with noise."""
    x, y = line_data
    noise = np.random.default_rng(1).normal(size=y.shape)
    return {"clean": (x[:10], y[:10]), "noisy": (x, y + noise)}


def timeless(records):
    clocks = ("time", "epoch_seconds")
    return [{n: v for n, v in one.items() if n not in clocks} for one in records]


def test_each_set_and_all_of_them_are_measured(line, line_data, quiet, sets):
    model = line()
    trainer = Trainer(max_epochs=2, **quiet)
    history = trainer.fit(model, line_data, sets)
    alone = {name: trainer.validate(model, data)["val_loss"] for name, data in sets.items()}
    last = history.records[-1]
    assert last["val_loss/clean"] == pytest.approx(alone["clean"])
    assert last["val_loss/noisy"] == pytest.approx(alone["noisy"])
    assert alone["noisy"] > alone["clean"]
    whole = (10 * alone["clean"] + 70 * alone["noisy"]) / 80
    assert last["val_loss"] == pytest.approx(whole)
    found = trainer.validate(model, sets)
    assert found == {name: last[name] for name in ("val_loss", "val_loss/clean", "val_loss/noisy")}
    tested = trainer.test(model, sets)
    assert list(tested) == ["test_loss", "test_loss/clean", "test_loss/noisy"]


def test_loaders_data_sets_and_splits_may_be_mixed(quiet):
    digits = fl.datasets.load("digits")
    x, y = digits.test[:]
    listed = [(x[:5], y[:5])]
    sets = {"splits": digits, "set": digits.test, "loader": digits.loader("test"), "list": listed}
    trainer = Trainer(max_epochs=1, **quiet)
    history = trainer.fit(fl.models.MLP(64, 10), digits, sets)
    assert {f"val_acc/{name}" for name in sets} <= set(history.records[-1])
    assert history["val_acc/set"] == history["val_acc/loader"]


def test_metrics_by_name_are_of_each_set_and_of_all(quiet):
    digits = fl.datasets.load("digits")
    x, y = digits.test[:]
    sets = {"many": (x[:200], y[:200]), "few": (x[200:230], y[200:230])}
    model = fl.models.MLP(64, 10)
    trainer = Trainer(max_epochs=1, metrics=["f1", "auc"], **quiet)
    history = trainer.fit(model, digits, sets)
    for name, data in (sets | {"": (x[:230], y[:230])}).items():
        alone = trainer.validate(model, data)
        for metric in ("val_f1", "val_auc"):
            found = history[f"{metric}/{name}" if name else metric]
            assert found[-1] == pytest.approx(alone[metric], nan_ok=True)
    tested = trainer.test(model, sets)
    assert tested["test_f1/few"] == history["val_f1/few"][-1] != tested["test_f1/many"]


def test_an_error_names_the_set_in_which_it_occurs(line, line_data, quiet, sets):
    class Loader:
        def __len__(self):
            return 2

        def __iter__(self):
            yield sets["noisy"]
            raise OSError("the disk is gone")

    trainer = Trainer(max_epochs=1, **quiet)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        trainer.validate(line(), sets | {"slow": Loader()})
    assert caught.value.__notes__ == ["in the val data 'slow'"]
    x, y = line_data
    with pytest.raises(ValueError, match="Linear: expected x") as caught:
        trainer.test(line(), {"wide": (np.hstack([x, x]), y), "clean": sets["clean"]})
    assert "in the test data 'wide'" in caught.value.__notes__
    with pytest.raises(ValueError, match="Linear: expected x") as caught:
        trainer.test(line(), (np.hstack([x, x]), y))
    assert not any("test data" in note for note in getattr(caught.value, "__notes__", []))


def test_limits_hold_for_each_set(line, line_data, quiet, sets):
    class Counts(fl.Callback):
        def on_validation_batch_end(self, batch, batch_idx):
            seen.append((len(batch[0]), batch_idx))

    seen = []
    settings = quiet | {"callbacks": [Counts()]}
    Trainer(max_epochs=1, limit_val_batches=1, **settings).fit(line(), line_data, sets)
    assert seen == [(10, 0), (32, 1)]


def test_a_loader_that_is_the_training_loader_has_its_own_position(line, line_data, quiet):
    def trained(**more):
        fl.seed_everything(0)
        loader = fl.DataLoader(line_data, 8, shuffle=True)
        model = line()
        Trainer(max_epochs=3, **quiet).fit(model, loader, {"train": loader, **more})
        return model.body.weight.data.tobytes()

    fl.seed_everything(0)
    model = line()
    Trainer(max_epochs=3, **quiet).fit(model, fl.DataLoader(line_data, 8, shuffle=True))
    assert trained() == trained(val=line_data) == model.body.weight.data.tobytes()


def test_monitors_and_checkpoints_follow_one_of_them(line, line_data, sets):
    listed = [
        EarlyStopping("val_loss/noisy", patience=1, min_delta=1e9),
        ModelCheckpoint("val_loss/clean"),
    ]
    trainer = Trainer(max_epochs=9, callbacks=listed)  # with plots, progress bar and TensorBoard
    trainer.fit(line(), line_data, sets)
    assert "val_loss/noisy has not improved" in trainer.stop_reason
    best = fl.Checkpoint.load(trainer.run.checkpoints / "best.safetensors")
    followed = best.callbacks["ModelCheckpoint.1"]
    assert followed["best"] == min(trainer.history["val_loss/clean"])
    assert (
        "val_loss/clean" in json.loads((trainer.run.path / "summary.json").read_text())["metrics"]
    )
    with pytest.raises(ValueError, match="did you mean 'val_loss/clean'"):
        Trainer(max_epochs=2, callbacks=[EarlyStopping("val_loss/claen")]).fit(
            line(), line_data, sets
        )


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_resume_is_bit_exact(line, sets, line_data, tmp_path, stop):
    class Interrupts(fl.Callback):
        def on_train_batch_end(self, trainer):
            trainer.interrupt.requested = trainer.step == stop

        def on_validation_batch_end(self, trainer, batch_idx):
            trainer.interrupt.requested = trainer.step == stop and batch_idx == 1

    def fit(folder, *more, resume=None, seed=0):
        fl.seed_everything(seed)
        drawn = fl.DataLoader(sets["noisy"], 16, shuffle=True, seed=4)
        trainer = Trainer(
            max_epochs=3,
            val_every="2 steps",
            callbacks=[*more, ModelCheckpoint()],
            default_callbacks=False,
            limit_val_batches=2,
            runs_dir=tmp_path / folder,
        )
        trainer.fit(line(), line_data, {"clean": sets["clean"], "drawn": drawn}, resume=resume)
        state = {n: a.tobytes() for n, a in trainer.module.state_dict().items()}
        return trainer, (state, timeless(read_records(trainer.run.path)))

    _, whole = fit("whole")
    broken, _ = fit("parts", Interrupts())
    assert broken.status == "interrupted"
    _, resumed = fit("parts", resume="last", seed=9)
    assert resumed == whole


def test_a_resumed_training_may_validate_on_other_data(line, line_data, sets):
    for number, data in enumerate([sets, line_data, sets, {"clean": sets["clean"]}], 1):
        trainer = Trainer(max_epochs=number, callbacks=[ModelCheckpoint()], default_callbacks=False)
        history = trainer.fit(line(), line_data, data, resume="auto" if number == 1 else "last")
        assert ("val_loss/clean" in history.records[-1]) == isinstance(data, dict)
    assert trainer.epoch == 4


def test_bytes_beside_numbers_are_an_error_in_each_set(line, line_data, quiet, sets):
    x, y = line_data
    sets["bytes"] = (np.zeros(x.shape, "uint8"), y)
    kinds = pytest.raises(ValueError, match="data and val_data: expected x of one kind")
    with pytest.warns(UserWarning, match="x is uint8"), kinds:
        Trainer(max_epochs=1, **quiet).fit(line(), (x, y), sets)
    loaders = NamedLoaders({"list": [(x.astype("float32"), y.astype("float32"))]})
    assert "val_loss/list" in Trainer(max_epochs=1, **quiet).fit(line(), (x, y), loaders)


def test_a_set_in_which_nothing_counts_is_named(quiet):
    x, y = np.zeros((8, 3), "float32"), np.arange(8) % 2
    model = fl.models.MLP(3, 2, hidden=(4,))
    sets = {"some": [(x, y)], "none": [(x, np.full(8, -100))]}
    with pytest.raises(ValueError, match="nothing counts in the val data 'none'"):
        Trainer(max_epochs=1, **quiet).fit(model, [(x, y)], sets)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "expected validation data by name, e.g."),
        ({"a/b": 1}, "the name of validation data: expected letters, digits and _ . - since"),
        ({3: 1}, "got 3"),
        ({"x": 1, "y": 2}, r"got dict; write \(data\['x'\], data\['y'\]\)"),
        ({"clean": None}, "val data: expected an array, a tuple"),
    ],
)
def test_what_is_no_set_of_sets(data, message, line, line_data, quiet):
    data = {name: line_data if one == 1 else one for name, one in data.items()}
    with pytest.raises((ValueError, TypeError), match=message):
        Trainer(max_epochs=1, **quiet).fit(line(), line_data, data)


def test_a_prediction_is_of_one_set(line, quiet, sets):
    with pytest.raises(
        TypeError, match=r"predict: expected one set of data, got 2 by name \(clean"
    ):
        Trainer(**quiet).predict(line(), sets)
    assert len(NamedLoaders({name: [data] for name, data in sets.items()})) == 2
