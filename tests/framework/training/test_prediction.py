"""What Trainer.predict joins, and what it says about predictions that cannot be joined."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools.cli.commands.predict import describe

DATA = tiny_data().train
COUNT = len(DATA)


def predict(step, data=None, **settings):
    net = type("Net", (TinyNet,), {"predict_step": step})()
    loader = fl.DataLoader(data or DATA, batch_size=COUNT - 1)  # two batches, of other sizes
    trainer = fl.Trainer(runs_dir=None, default_callbacks=False, **settings)
    return trainer.predict(net, loader)


def plain(self, batch):
    return self(batch[0])


def test_dicts_and_tuples_are_joined_part_by_part():
    whole = predict(plain)

    def step(self, batch):
        y = self(batch[0])
        return {"scores": y, "pair": [y.argmax(axis=1), (batch[1], y[:, :1])]}

    found = predict(step)
    assert list(found) == ["scores", "pair"]
    np.testing.assert_array_equal(found["scores"], whole)
    best, (target, first) = found["pair"]
    np.testing.assert_array_equal(best, whole.argmax(axis=1))
    np.testing.assert_array_equal(target, DATA[:][1])
    np.testing.assert_array_equal(first, whole[:, :1])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda self, batch: None, "Net.predict_step returned NoneType; end it with: return y"),
        (lambda self, batch: 0.5, "returned float"),
        (lambda self, batch: {}, "returned dict"),
        (lambda self, batch: {"a": ["text"]}, r"predict_step\['a'\]\[0\] returned str"),
        (lambda self, batch: self(batch[0]).mean(), r"expected \d+ entries .* got shape \(\)"),
        (lambda self, batch: self(batch[0]).ravel(), r"one for each sample .* got shape \(\d+,\)"),
        (
            lambda self, batch: np.zeros((len(batch[0]), len(batch[0]))),
            r"of shape \(N, \d+\) and arrays of shape \(N, \d+\); .*pad them to one width",
        ),
        (
            lambda self, batch: {str(len(batch[0])): self(batch[0])},
            r"got a dict of \d+ and a dict of \d+",
        ),
    ],
)
def test_what_cannot_be_joined_is_named(step, message):
    with pytest.raises((TypeError, ValueError), match=message):
        predict(step)


def test_nothing_to_predict():
    with pytest.raises(ValueError, match="there is no batch to predict.*limit_predict_batches"):
        predict(plain, limit_predict_batches=0)


def test_the_command_writes_them_as_columns():
    parts = np.zeros((COUNT, 2)), np.ones(COUNT)
    assert list(describe(parts, DATA, ["a", "b", "c"])) == [
        "target",
        "prediction_0",
        "prediction_1",
    ]
    assert list(describe({"y": parts[0]}, DATA, None)) == ["target", "y"]
