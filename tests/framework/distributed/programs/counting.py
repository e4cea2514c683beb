"""Train where some samples do not count or have weights; rank 0 writes the outcome as JSON.

counting.py OUTPUT
"""

import json
import sys

import numpy as np

import firstlight as fl
from firstlight import models, nn, optim

COUNT = 22


class Net(fl.Module):
    """Two layers in float64 and any loss."""

    def __init__(self, loss):
        self.body = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 3))
        self.loss = loss
        self.to(dtype="float64")

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)


class Own(Net):
    """A step that knows nothing of denominators."""

    def training_step(self, batch):
        output = super().training_step(batch)
        return fl.StepOutput(output.loss, output.dy, output.metrics)


class Logging(Net):
    """Logs a mean over the samples of each batch in forward and backward."""

    def forward(self, x):
        self.log("input", x.mean())
        return super().forward(x)

    def backward(self, dy):
        self.log("gradients", dy.shape[1])
        return super().backward(dy)


def works():
    """Yield ``(name, module, data)``; whole shares have no label that counts."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((COUNT, 5)), rng.integers(0, 3, COUNT)
    values, some = rng.standard_normal((COUNT, 3)), y.copy()
    some[[0, 1, 2, 3, 9, 13, 18, 19, 21]] = -100
    q = np.abs(values) / np.abs(values).sum(axis=1, keepdims=True)
    w = [1.0, 0.2, 5.0]
    yield "ignored", Net(nn.CrossEntropyLoss()), (x, some)
    yield "weights", Net(nn.CrossEntropyLoss(w, label_smoothing=0.1)), (x, some)
    yield "soft", Net(nn.CrossEntropyLoss(w)), (x, q)
    yield "sum", Net(nn.CrossEntropyLoss(w, reduction="sum")), (x, some)
    yield "binary", Net(nn.BCEWithLogitsLoss(pos_weight=w)), (x, (values > 0) * 1.0)
    yield "own", Own(nn.MSELoss()), (x, values)
    yield "logging", Logging(nn.MSELoss()), (x, values)
    sampled = np.abs(values[:, 0])
    sampled[[4, 5, 6, 7, 12]] = 0
    yield "sampled", Net(nn.CrossEntropyLoss(w)), (x, some, sampled)
    yield "sampled squares", Net(nn.MSELoss()), (x, values, sampled)
    tokens, following = rng.integers(0, 11, (2, COUNT, 6))
    for row in range(COUNT):
        following[row, row % 7 :] = -100
    gpt = models.GPT(vocab_size=11, block_size=6, n_layer=1, n_head=2, n_embd=8, dropout=0.1)
    yield "gpt", gpt.to(dtype="float64"), (tokens, following)


def by_hand():
    """Return the metrics and weights of a few steps of `Trainer.train_batch`."""
    name, net, (x, y, w) = next(one for one in works() if one[0] == "sampled")
    trainer = fl.Trainer(default_callbacks=False, runs_dir=None)
    logged = []
    for first in range(0, COUNT, 4):
        part = slice(first, first + 4)
        logged.append(list(trainer.train_batch(net, (x[part], y[part], w[part])).values()))
    return {"logged": logged, "weights": trainer.optimizer.flat.data.tolist()}


def main(output):
    found = {}
    fl.seed_everything(1)
    for name, net, arrays in works():
        data = fl.ArrayDataset(*arrays, dtype="float64")
        for accumulate in (1, 3):
            trainer = fl.Trainer(
                max_epochs=3,
                accumulate_grad_batches=accumulate,
                log_every_n_steps=1,
                default_callbacks=False,
                runs_dir=None,
            )
            fl.seed_everything(2)
            trainer.fit(net, fl.DataLoader(data, 4, shuffle=True), fl.DataLoader(data, 5))
            records = trainer.history.records
            places = ("time", "epoch_seconds")
            found[f"{name}-{accumulate}"] = {
                "logged": [[v for n, v in record.items() if n not in places] for record in records],
                "weights": trainer.optimizer.flat.data.tolist(),
            }
    found["by hand"] = by_hand()
    if trainer.is_global_zero:
        with open(output, "w", encoding="utf-8") as file:
            json.dump(found | {"ranks": trainer.communicator.size}, file)


main(*sys.argv[1:])
