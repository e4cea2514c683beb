"""A network's classes and scale, applied to whatever splits a Trainer is given later."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.transforms import Scale
from firstlight.datasets import from_arrays

NAMES = np.array(["ape", "bee", "cat"])


def samples(count, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    return rng.normal(size=(count, 2)) + np.stack([400.0 + 8 * y, 3.0 - y], axis=1), y


@pytest.fixture
def trained(tmp_path):
    """A Trainer with a network that tells three classes apart."""
    fl.seed_everything(0)
    x, y = samples(300)
    splits = from_arrays(x, NAMES[y], standardize=True)
    net = fl.models.MLP(2, 3, hidden=(8,), lr=0.03)
    trainer = fl.Trainer(max_epochs=10, runs_dir=tmp_path, default_callbacks=False)
    trainer.fit(net, splits)
    assert trainer.test(net, splits)["test_acc"] > 0.95
    return trainer, net


def others(names=NAMES[1:], count=200):
    """Samples of two of the classes, with numbers and a scale of their own."""
    x, y = samples(count, seed=1)
    chosen = np.isin(NAMES[y], names)
    return from_arrays(x[chosen], NAMES[y][chosen], val_size=0, test_size=0.5, standardize=True)


@pytest.mark.parametrize("names", [NAMES[1:], NAMES[:1], NAMES[2:]])
def test_a_class_that_is_absent_renumbers_no_other(trained, names):
    trainer, net = trained
    assert trainer.test(net, others(names))["test_acc"] > 0.95
    kept = Preprocessing.load(trainer.run.path)
    assert kept.applied_to(others(names)).classes == NAMES.tolist()


def test_a_checkpoint_brings_its_runs_preprocessing(trained):
    trainer, net = trained
    path = trainer.run.path / "checkpoints" / "some.safetensors"
    path.parent.mkdir()
    trainer.save_checkpoint(path)
    fresh = fl.Trainer(runs_dir=None, default_callbacks=False)
    blank = fl.models.MLP(2, 3, hidden=(8,))
    assert fresh.test(blank, others(), checkpoint=path)["test_acc"] > 0.95


def test_another_module_between_changes_nothing(trained):
    trainer, net = trained
    trainer.test(fl.models.MLP(2, 2, hidden=(4,)), others())
    assert trainer.test(net, others())["test_acc"] > 0.95


def test_unknown_classes_are_named(trained):
    trainer, net = trained
    x, y = samples(40)
    splits = from_arrays(x, np.array(["ape", "dog", "cat"])[y], standardize=True)
    with pytest.raises(ValueError, match="data: unknown class dog; the network was trained on ape"):
        trainer.test(net, splits)


def test_what_is_prepared_already_is_left_alone(trained):
    trainer, net = trained
    x, y = samples(90, seed=2)
    scaled = trainer.data.preprocessing.transform((x, y), None)[0]
    for given in ((scaled, y), fl.DataSplits((scaled, y), test=(scaled, y))):
        assert trainer.test(net, given)["test_acc"] > 0.95


def test_labels_without_names_are_numbers_of_the_classes(trained):
    trainer, net = trained
    x, y = samples(90, seed=2)
    splits = from_arrays(x, y, test_size=0.5, standardize=True)
    assert trainer.test(net, splits)["test_acc"] > 0.95


def test_what_a_file_keeps_is_what_was_kept(tmp_path):
    for splits in (
        fl.datasets.load("digits"),
        fl.datasets.load("polynomial"),
        others(),
        fl.DataSplits(np.zeros((4, 3))),
        fl.DataSplits(np.ones((4, 3)), transform=lambda batch, rng: batch),
    ):
        kept = Preprocessing.of(splits)
        kept.save(tmp_path)
        again = Preprocessing.load(tmp_path)
        assert again.to_dict() == kept.to_dict()
        if type(splits.transform) is Scale:
            x = splits.train.arrays[:1]
            np.testing.assert_array_equal(again.transform(x, None)[0], splits.train[:][0])
    with pytest.raises(FileNotFoundError, match="like: there is no .*nowhere; name the"):
        Preprocessing.load(tmp_path / "nowhere")


def test_a_training_says_what_the_target_was_taken_for(capsys):
    x, y = samples(30)
    trainer = fl.Trainer(max_epochs=1, runs_dir=None, callbacks=["progress_bar"])
    trainer.fit(fl.models.MLP(2, 3, hidden=(4,)), from_arrays(x, np.eye(3)[y], standardize=True))
    assert capsys.readouterr().out.splitlines()[0] == "target: 3 classes (0, 1, 2)"
