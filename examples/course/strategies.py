"""Step 8: training strategies compared: one change at a time, several seeds, one table.

python examples/course/strategies.py                 # 3 seeds, 20 epochs
python examples/course/strategies.py --seeds 5 --epochs 40
"""

# %%
import argparse
import time

import images
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
STRATEGIES = {  # what differs from a plain training with Adam at a constant rate
    "plain: Adam, constant rate": {},
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


# %%
def train(strategy, seed, epochs):
    """Return test accuracy (of the last weights, not the luckiest) and seconds."""
    fl.seed_everything(seed)
    data = images.load(augment=strategy.get("augment", ()))
    net = Net(data.input_shape, strategy.get("optimizer"), **strategy.get("model", {}))
    listed = []
    if schedule := strategy.get("schedule"):
        step = {"step_size": max(1, epochs * 3 // 5)} if schedule["schedule"] == "step" else {}
        listed.append(callbacks.LRSchedule(**schedule, **step))
    if decay := strategy.get("ema"):
        listed.append(callbacks.EMA(decay))
    quiet = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=listed, **quiet)
    start = time.perf_counter()
    trainer.fit(net, data)
    return trainer.test(net, data)["test_acc"], time.perf_counter() - start


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="strategies whose name contains this")
    own = parser.parse_args(words)
    print("| strategy | test accuracy, mean ± std | seconds |\n|---|---|---|")
    for name, strategy in STRATEGIES.items():
        if own.only not in name:
            continue
        found = np.array([train(strategy, seed, own.epochs) for seed in range(own.seeds)])
        mean, std = found[:, 0].mean(), found[:, 0].std(ddof=1) if own.seeds > 1 else 0.0
        print(f"| {name} | {mean:.4f} ± {std:.4f} | {found[:, 1].mean():.1f} |", flush=True)


# %% tags=["active-py"]
if __name__ == "__main__":
    main()

# %% tags=["active-ipynb"]
# main(["--seeds", "3", "--epochs", "20"])
