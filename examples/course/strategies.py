"""Step 8: training strategies compared: one change at a time, several seeds, one table.

python examples/course/strategies.py                 # 3 seeds, 20 epochs
python examples/course/strategies.py --seeds 5 --epochs 40
"""

import argparse
import time

import images
import numpy as np

import firstlight as fl
from firstlight import callbacks, optim

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD, momentum 0.9": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "RMSprop": lambda p: optim.RMSprop(p, lr=1e-3),
    "AdamW, weight decay 0.05": lambda p: optim.AdamW(p, lr=1e-3, weight_decay=0.05),
}
COSINE = {"schedule": "warmup_cosine", "warmup_steps": 40}
ALL = {"norm": "batch", "dropout": 0.1, "label_smoothing": 0.1, "lr": 2e-3}
STRATEGIES = {  # name: (model's arguments, augmentation, schedule, decay of EMA, optimizer)
    "plain: Adam, constant rate": ({}, (), None, None, None),
    "schedule: step, a tenth after 60 %": ({}, (), "step", None, None),
    "schedule: cosine": ({}, (), {"schedule": "cosine"}, None, None),
    "schedule: warm-up and cosine": ({}, (), COSINE, None, None),
    "schedule: one cycle": ({"lr": 3e-3}, (), {"schedule": "one_cycle"}, None, None),
    "augmentation: crop": ({}, ("crop",), None, None, None),
    "augmentation: affine": ({}, ("affine",), None, None, None),
    "augmentation: mixup": ({}, ("mixup",), None, None, None),
    "dropout 0.25 and 0.5": ({"dropout": 0.25, "hidden_dropout": 0.5}, (), None, None, None),
    "label smoothing 0.1": ({"label_smoothing": 0.1}, (), None, None, None),
    "normalisation: batch": ({"norm": "batch"}, (), None, None, None),
    **{f"optimizer: {name}": ({}, (), None, None, make) for name, make in OPTIMIZERS.items()},
    "EMA of the weights, 0.99": ({}, (), None, 0.99, None),
    "affine, batch norm, dropout, smoothing, cosine, EMA": (ALL, ("affine",), COSINE, 0.99, None),
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


def train(strategy, seed, epochs):
    """Return test accuracy (of the last weights, not the luckiest) and seconds."""
    arguments, augment, schedule, decay, make_optimizer = strategy
    fl.seed_everything(seed)
    data = images.load(augment=augment)
    listed = []
    if schedule == "step":
        listed.append(
            callbacks.LRSchedule("step", interval="epoch", step_size=epochs * 3 // 5 or 1)
        )
    elif schedule:
        listed.append(callbacks.LRSchedule(**schedule))
    if decay:
        listed.append(callbacks.EMA(decay))
    trainer = fl.Trainer(
        max_epochs=epochs, callbacks=listed, default_callbacks=False, runs_dir=None
    )
    net = Net(data.input_shape, make_optimizer, **arguments)
    start = time.perf_counter()
    trainer.fit(net, data)
    return trainer.test(net, data)["test_acc"], time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="strategies whose name contains this")
    own = parser.parse_args()
    print("| strategy | test accuracy, mean ± std | seconds |\n|---|---|---|")
    for name, strategy in STRATEGIES.items():
        if own.only not in name:
            continue
        found = np.array([train(strategy, seed, own.epochs) for seed in range(own.seeds)])
        mean, std = found[:, 0].mean(), found[:, 0].std(ddof=1) if own.seeds > 1 else 0.0
        print(f"| {name} | {mean:.4f} ± {std:.4f} | {found[:, 1].mean():.1f} |", flush=True)


if __name__ == "__main__":
    main()
