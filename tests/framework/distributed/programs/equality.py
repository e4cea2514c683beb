"""Train an mlp, a cnn with BatchNorm and a gpt; rank 0 writes all losses as JSON.

equality.py OUTPUT [DTYPE]
"""

import json
import platform
import sys

import numpy as np

import firstlight as fl
from firstlight import models, nn, optim

BATCH, STEPS = 24, 40


class Keep(fl.Callback):
    """Keeps each step's loss as the ranks have it together."""

    def __init__(self):
        self.losses = []

    def on_log(self, record):
        if "train_loss_step" in record:
            self.losses.append(record["train_loss_step"])


class TwoOptimizers(models.MLP):
    """The last layer has an optimizer of its own."""

    def configure_optimizer(self):
        *others, weight, bias = self.parameters()
        return {"body": optim.AdamW(others), "head": optim.Adam([weight, bias])}


def with_sgd(net):
    """Give a model plain SGD: Adam makes whole steps of the rounding in gradients that are zero."""
    net.configure_optimizer = lambda: optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return net


def images(rng, count, dtype):
    y = rng.integers(0, 4, count)
    x = (
        rng.normal(size=(count, 8, 8, 1))
        + y[:, None, None, None] * np.linspace(-0.5, 0.5, 8)[:, None]
    )
    return fl.ArrayDataset(x, y, dtype=dtype)


class Tokens:
    """Blocks of a made-up text, of which the last targets of each third block do not count."""

    def __init__(self, rng, count):
        steps = rng.integers(1, 4, (count, 17))
        self.blocks = np.cumsum(steps, axis=1) % 11

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, indices):
        block = self.blocks[indices]
        y = block[:, 1:].copy()
        y[indices % 3 == 0, -5:] = nn.CrossEntropyLoss().ignore_index
        return block[:, :-1], y

    def draw(self, count, rng):
        block = self.blocks[rng.integers(len(self), size=count)]
        return block[:, :-1], block[:, 1:]

    def weight(self, batch):
        return int(np.count_nonzero(batch[1] != nn.CrossEntropyLoss().ignore_index))


def works(dtype):
    """Yield ``(name, model, train, val)``; 77 samples make a ragged last batch of 5."""
    rng = np.random.default_rng(0)
    train, val = images(rng, 77, dtype), images(rng, 50, dtype)
    mlp = TwoOptimizers(64, 4, hidden=(32, 16), norm=None)  # with dropout
    yield "mlp", mlp, train, val
    cnn = models.CNN((8, 8, 1), 4, channels=(6, 8), hidden=(16,), norm="batch")
    yield "cnn", cnn, train, val
    options = {"n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.1}
    gpt = models.GPT(vocab_size=11, block_size=16, **options)
    yield "gpt", gpt, Tokens(rng, 77), Tokens(rng, 25)


def main(output, *dtypes):
    found = {}
    for dtype in dtypes or ("float64", "float32"):
        fl.seed_everything(1)
        for name, net, train, val in works(dtype):
            net.to(dtype=dtype)
            if dtype == "float32":
                with_sgd(net)
            fl.seed_everything(2)
            keep = Keep()
            trainer = fl.Trainer(
                max_steps=STEPS,
                accumulate_grad_batches={1: 1, 5: 3},
                log_every_n_steps=1,
                callbacks=[keep, fl.callbacks.GradientClip(max_norm=1.0)],
                metrics=["f1", "auc", "perplexity"],
                default_callbacks=False,
                runs_dir=None,
            )
            loader = fl.DataLoader(train, BATCH, shuffle=True)
            trainer.fit(net, loader, fl.DataLoader(val, BATCH))
            tested = trainer.test(net, fl.DataLoader(val, 12))
            predicted = trainer.predict(net, fl.DataLoader(val, 12))
            found[f"{name}-{dtype}"] = {
                "losses": keep.losses,
                "val_loss": [r["val_loss"] for r in trainer.history.records if "val_loss" in r],
                "tested": tested,
                "predicted": np.asarray(predicted, "float64").ravel()[:50].tolist(),
                "shape": predicted.shape,
                "norm": float(np.linalg.norm(trainer.optimizer.flat.data.astype("float64"))),
            }
    hosts = len(set(trainer.communicator.gather(platform.node())))
    if trainer.is_global_zero:
        with open(output, "w", encoding="utf-8") as file:
            json.dump(found | {"ranks": trainer.communicator.size, "hosts": hosts}, file)


main(*sys.argv[1:])
