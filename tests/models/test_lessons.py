"""Lessons alone reach the accuracies of the forms: only the rounding of a training differs."""

import os

import pytest

import firstlight as fl
from firstlight.support import forms

WORKS = {
    "digits, mlp": ("digits", lambda: fl.models.MLP(64, 10), 20, 0.96),
    "digits, cnn": ("digits", lambda: fl.models.CNN((8, 8, 1), 10), 10, 0.97),
    "mnist, mlp": ("mnist", lambda: fl.models.MLP(784, 10), 3, 0.97),
    "mnist, cnn": (
        "mnist",
        lambda: fl.models.CNN((28, 28, 1), 10, channels=(8, 16), hidden=(32,)),
        1,
        0.94,
    ),
}


def accuracy(make, data, epochs):
    """Return the accuracy on the test split after a training, the same each time."""
    fl.seed_everything(0)
    trainer = fl.Trainer(max_epochs=epochs, default_callbacks=False, runs_dir=None)
    module = make()
    trainer.fit(module, data)
    return trainer.test(module, data)["test_acc"]


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_lessons_reach_the_accuracy_of_the_forms(name):
    data, make, epochs, least = WORKS[name]
    if data == "mnist" and "FIRSTLIGHT_DATA" not in os.environ:
        pytest.skip("set FIRSTLIGHT_DATA to a folder with mnist/")
    splits = fl.datasets.load(data)
    with forms.only():
        lessons = accuracy(make, splits, epochs)
    accelerated = accuracy(make, splits, epochs)
    print(f"{name}: {lessons:.4f} by lessons, {accelerated:.4f} by forms")
    assert min(lessons, accelerated) > least
    assert lessons == pytest.approx(accelerated, abs=0.01)
