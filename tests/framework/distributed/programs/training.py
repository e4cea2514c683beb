"""A training that keeps a run, to be killed, interrupted and resumed.

    training.py RUNS [STEPS [HOLDS]]

Each rank writes its process id to RUNS/pid.RANK. In step HOLDS it waits for a file RUNS/go; the
steps before take 30 ms at least, so that there is something to disturb.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import firstlight as fl


class Pause(fl.Callback):
    def on_train_batch_end(self, trainer):
        if holds:
            time.sleep(0.03)
        while trainer.step == holds and not (runs / "go").exists():
            time.sleep(0.01)


class NoPlots(fl.callbacks.Plots):
    """Draws nothing: that takes longer than the training."""

    def on_fit_end(self):
        pass


runs = Path(sys.argv[1])
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 60
holds = int(sys.argv[3]) if len(sys.argv) > 3 else 0

rng = np.random.default_rng(0)
y = rng.integers(0, 4, 500)
x = rng.normal(size=(500, 20)) + y[:, None] * 0.5
fl.seed_everything(3)
net = fl.models.MLP(20, 4, hidden=(16, 8)).to(dtype="float64")  # BatchNorm and dropout in it
trainer = fl.Trainer(
    max_steps=steps,
    log_every_n_steps=4,
    accumulate_grad_batches=2,
    callbacks=[
        Pause(),
        NoPlots(),
        fl.callbacks.ModelCheckpoint(every_n_steps=5),
        fl.callbacks.EMA(0.9),
        fl.callbacks.LRSchedule("cosine"),
    ],
    runs_dir=runs,
    name="job",
)
runs.mkdir(exist_ok=True)
(runs / f"pid.{trainer.communicator.rank}").write_text(str(os.getpid()))
trainer.fit(
    net, fl.DataLoader((x[:470], y[:470]), 32, shuffle=True), (x[470:], y[470:]), resume="auto"
)
print(trainer.status, "after step", trainer.step, flush=True)
