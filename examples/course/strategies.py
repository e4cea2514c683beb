"""Step 8: training strategies compared: one change at a time, several seeds, one table.

python examples/course/strategies.py                    # 5 seeds, 20 epochs
python examples/course/strategies.py --only crop --test # once, for the strategy chosen
"""

# %%
import argparse

import numpy as np

import firstlight as fl
from firstlight import callbacks, optim

# %% [markdown]
# ## The strategies
#
# Each one differs from the plain training in what its line says.

# %%
WARMUP = {"schedule": "warmup_cosine", "warmup_steps": 40}
TOGETHER = {"norm": "batch", "dropout": 0.1, "label_smoothing": 0.1, "lr": 2e-3}
PLAIN = "plain: Adam, constant rate"
STRATEGIES = {  # what differs from a plain training with Adam at a constant rate
    PLAIN: {},
    "schedule: step, a tenth after 60 %": {"schedule": {"schedule": "step", "interval": "epoch"}},
    "schedule: cosine": {"schedule": {"schedule": "cosine"}},
    "schedule: warm-up and cosine": {"schedule": WARMUP},
    "schedule: one cycle": {"schedule": {"schedule": "one_cycle"}, "model": {"lr": 3e-3}},
    "augmentation: crop": {"augment": ("crop",)},
    "augmentation: affine": {"augment": ("affine",)},
    "augmentation: mixup": {"augment": ("mixup",)},
    "dropout 0.25 and 0.5": {"model": {"dropout": 0.25, "hidden_dropout": 0.5}},
    "label smoothing 0.1": {"model": {"label_smoothing": 0.1}},
    "normalisation: batch": {"model": {"norm": "batch"}},
    "optimizer: SGD": {"optimizer": lambda p: optim.SGD(p, lr=0.1)},
    "optimizer: SGD, momentum 0.9": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9)},
    "optimizer: RMSprop": {"optimizer": lambda p: optim.RMSprop(p, lr=1e-3)},
    "optimizer: AdamW, weight decay 0.05": {
        "optimizer": lambda p: optim.AdamW(p, lr=1e-3, weight_decay=0.05)
    },
    "EMA of the weights, 0.99": {"ema": 0.99},
    "affine, batch norm, dropout, smoothing, cosine, EMA": {
        "model": TOGETHER,
        "augment": ("affine",),
        "schedule": WARMUP,
        "ema": 0.99,
    },
}


class Net(fl.models.CNN):
    """A small CNN with any optimizer."""

    def __init__(self, input_shape, make_optimizer, **arguments):
        plain = {"channels": (8, 16), "padding": "same", "dropout": 0.0, "hidden_dropout": 0.0}
        super().__init__(input_shape, 10, **(plain | {"hidden": (64,)} | arguments))
        self.make_optimizer = make_optimizer

    def configure_optimizer(self):
        if self.make_optimizer:
            return self.make_optimizer(self.parameters())
        return super().configure_optimizer()


# %% [markdown]
# ## One training, and the table
#
# Gains are taken seed by seed, on validation data. The test data come last, for what was chosen.


# %%
def train(strategy, seed, epochs, part="val"):
    """Return the accuracy of the last weights, not of the luckiest."""
    fl.seed_everything(seed)
    data = fl.datasets.load("digits", val_size=0.2, augment=strategy.get("augment", ()))
    net = Net(data.input_shape, strategy.get("optimizer"), **strategy.get("model", {}))
    listed = []
    if schedule := strategy.get("schedule"):
        step = {"step_size": max(1, epochs * 3 // 5)} if schedule["schedule"] == "step" else {}
        listed.append(callbacks.LRSchedule(**schedule, **step))
    if decay := strategy.get("ema"):
        listed.append(callbacks.EMA(decay))
    quiet = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=listed, **quiet)
    trainer.fit(net, data)
    evaluate = trainer.test if part == "test" else trainer.validate
    return evaluate(net, data)[f"{part}_acc"]


def summary(accuracy, plain):
    """Return mean ± standard deviation, and mean gain ± its standard error, in percent."""
    accuracy, gain = 100 * accuracy, 100 * (accuracy - plain)  # (seeds,); gain seed by seed
    std, error = accuracy.std(ddof=1), gain.std(ddof=1) / np.sqrt(len(gain))
    return f"{accuracy.mean():.2f} ± {std:.2f} | {gain.mean():+.2f} ± {error:.2f}"


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5, help="two or more")
    parser.add_argument("--only", default="", help="strategies whose name contains this")
    parser.add_argument("--test", action="store_true", help="use the test data: once, at the end")
    own = parser.parse_args(words)
    part = "test" if own.test else "val"
    print(f"| strategy | {part}_acc, % ± std | minus plain ± error |\n|---|---|---|")
    for name, strategy in STRATEGIES.items():
        if own.only in name or name == PLAIN:
            found = [train(strategy, seed, own.epochs, part) for seed in range(own.seeds)]
            accuracy = np.array(found)  # (seeds,)
            if name == PLAIN:
                plain = accuracy
            print(f"| {name} | {summary(accuracy, plain)} |", flush=True)


# %% tags=["active-py"]
if __name__ == "__main__":
    main()

# %% tags=["active-ipynb"]
# main(["--seeds", "5", "--epochs", "20"])
