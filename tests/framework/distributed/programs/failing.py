"""A training in which the last rank does what its argument says, in step 3.

failing.py HOW
"""

import os
import sys
import threading

import numpy as np

import firstlight as fl

how = sys.argv[1]


class Fail(fl.Callback):
    """Does it on the last rank."""

    def on_fit_start(self, trainer):
        if how == "early" and trainer.communicator.rank == 2:
            trainer.stop("no need")

    def on_train_batch_end(self, trainer, module):
        world = trainer.communicator
        if trainer.step != 3 or world.rank != world.size - 1:
            return
        if how in ("raise", "caught"):
            raise ValueError("the cat has bitten the cable")
        if how == "exit":
            sys.exit(0)
        if how == "die":
            os._exit(7)
        if how == "diverge":
            module.body.layers[0].weight.data[0, 0] += 1e-6
        if how == "clock":
            trainer.progress.started -= 2000
        if how == "stop":
            trainer.stop("seen enough")


rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 5)), rng.integers(0, 3, 64)
trainer = fl.Trainer(
    max_steps=40, callbacks=[Fail()], default_callbacks=False, runs_dir=None, name="failing"
)
trainer.communicator.check_every = 5
if how == "clock":
    trainer.limits.max_steps, trainer.limits.max_time = None, 1999
rank = trainer.communicator.rank
if how == "outside" and rank == 1:
    raise OSError("no data on this node")
if how == "data":
    x, y = x[: 64 - rank], y[: 64 - rank]
net = fl.models.MLP(5, 3, hidden=(8,))
if how == "caught":
    try:
        trainer.fit(net, (x, y))
    except ValueError:
        threading.Event().wait()  # for ever, unless this rank is ended
trainer.fit(net, (x, y))
print(f"rank {rank} stopped after step {trainer.step}: {trainer.stop_reason}", flush=True)
