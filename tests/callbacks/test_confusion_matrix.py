"""ConfusionMatrix: the counts of validations, as pictures in the run folder and TensorBoard."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import ConfusionMatrix, TensorBoard


@pytest.fixture
def digits():
    return fl.datasets.load("digits")


def fit(digits, *callbacks, **settings):
    trainer = fl.Trainer(callbacks=list(callbacks), default_callbacks=False, **settings)
    trainer.fit(fl.models.MLP(64, 10, hidden=(16,)), digits)
    return trainer


def test_counts_are_those_of_the_latest_validation(digits):
    callback = ConfusionMatrix()
    trainer = fit(digits, callback, max_epochs=3)
    counts = callback._counts
    _, y = digits.val[np.arange(len(digits.val))]
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(y))  # once, not thrice
    assert np.trace(counts) / counts.sum() == pytest.approx(trainer.metrics["val_acc"])
    (picture,) = (trainer.run.path / "plots").iterdir()
    assert picture.name == "confusion_matrix_val.png"
    trainer.test(trainer.module, digits)
    names = {path.name for path in (trainer.run.path / "plots").iterdir()}
    assert names == {"confusion_matrix_val.png", "confusion_matrix_test.png"}


@pytest.mark.parametrize("ignored", [-100, 3])
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "uint64"])
def test_labels_that_the_loss_ignores_are_left_out(digits, ignored, dtype):
    if ignored < 0 and dtype[0] == "u":
        ignored = 255 if dtype == "uint8" else 2**40
    (x, y), callback = digits.val[np.arange(100)], ConfusionMatrix()
    y = y.astype(dtype)
    y[::3] = ignored
    model = fl.models.MLP(64, 10, hidden=(16,))
    model.loss = fl.nn.CrossEntropyLoss(ignore_index=ignored)
    settings = {"callbacks": [callback], "default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=1, **settings)
    trainer.fit(model, (x, y), (x, y))
    kept = y[y != ignored]
    np.testing.assert_array_equal(callback._counts.sum(axis=1), np.bincount(kept, minlength=10))
    right = np.trace(callback._counts) / len(kept)
    assert right == pytest.approx(trainer.metrics["val_acc"])


def test_tensorboard_shows_the_same_picture(digits):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = fit(digits, ConfusionMatrix(), TensorBoard(), max_epochs=1)
    events = reader.EventAccumulator(str(trainer.run.path)).Reload()
    (image,) = events.Images("confusion_matrix/val")
    png = (trainer.run.path / "plots/confusion_matrix_val.png").read_bytes()
    assert image.encoded_image_string == png
    assert (image.step, image.width > 500, image.height > 500) == (trainer.step, True, True)


def test_without_a_run_or_validation_nothing_is_drawn(digits, tmp_path):
    fit(digits, ConfusionMatrix(), max_epochs=1, runs_dir=None)
    digits.val = None
    trainer = fit(digits, ConfusionMatrix(), max_epochs=1)
    assert not (trainer.run.path / "plots").exists() or not any(
        (trainer.run.path / "plots").iterdir()
    )


def test_it_is_for_classifiers(line, line_data, digits):
    trainer = fl.Trainer(callbacks=["confusion_matrix"], default_callbacks=False, max_epochs=1)
    with pytest.warns(UserWarning, match=r"for labels \(N,\), got shapes \(32, 1\) and \(32, 1\)"):
        trainer.fit(line(), line_data, line_data)
    with pytest.warns(UserWarning, match="expected 10 names in classes, .* 10 scores, got 2"):
        fit(digits, ConfusionMatrix(["a", "b"]), max_epochs=1)


def test_a_picture_that_cannot_be_written_is_a_warning(digits):
    class NoFolder(fl.Callback):
        def on_fit_start(self, trainer):
            (trainer.run.path / "plots").write_text("a file in the way")

    with pytest.warns(UserWarning, match=r"confusion_matrix_val.png cannot be .*is left out"):
        trainer = fit(digits, NoFolder(), ConfusionMatrix(), TensorBoard(), max_epochs=1)
    assert trainer.status == "finished"
