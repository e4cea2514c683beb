"""Metrics on a GPU: the same values, without waiting for the device in a batch."""

import numpy as np
import pytest
from nets import FloatNet

import firstlight as fl
from firstlight import callbacks, nn

pytestmark = pytest.mark.gpu

CLASSES = ["accuracy", "auc", "balanced_accuracy", "f1", "mcc", "perplexity", "recall", "top2"]
NUMBERS = ["mae", "mse", "rmse", "r2"]


def data(names):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 24) if names is CLASSES else rng.standard_normal((24, 3))
    if names is CLASSES:
        y[::5] = -100
    return fl.ArrayDataset(rng.standard_normal((24, 5)), y, dtype="float64")


def validated(names, device, counts):
    waits = []
    see = callbacks.LambdaCallback(on_validation_batch_end=lambda: waits.append(counts["waits"]))
    trainer = fl.Trainer(
        metrics=names, callbacks=[see], device=device, runs_dir=None, default_callbacks=False
    )
    net = FloatNet(nn.CrossEntropyLoss() if names is CLASSES else nn.MSELoss(), lr=0.1)
    return trainer.validate(net, fl.DataLoader(data(names), 4)), waits


@pytest.mark.parametrize("names", [CLASSES, NUMBERS])
def test_a_gpu_computes_the_same_and_waits_for_none(names, counts):
    expected, _ = validated(names, "cpu", counts)
    found, waits = validated(names, "cuda", counts)
    assert len(waits) == 6
    assert len(set(waits)) == 1
    for name in names:
        assert found[f"val_{name}"] == pytest.approx(expected[f"val_{name}"], rel=1e-9), name
