"""A training whose last epoch spoils its model; every rank prints what the best weights test.

best.py RUNS
"""

import sys

import numpy as np

import firstlight as fl


class Spoil(fl.Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.epoch == 3:
            for parameter in module.parameters():
                parameter.data[...] *= -3


rng = np.random.default_rng(0)
y = rng.integers(0, 3, 90)
x = rng.normal(size=(90, 6)) + y[:, None]
net = fl.models.MLP(6, 3, hidden=(8,)).to(dtype="float64")
matrix = fl.callbacks.ConfusionMatrix()
used = [Spoil(), matrix, fl.callbacks.ModelCheckpoint()]
trainer = fl.Trainer(
    max_epochs=3, callbacks=used, default_callbacks=False, runs_dir=sys.argv[1], name="best"
)
trainer.fit(net, (x[:50], y[:50]), (x[50:70], y[50:70]))
data = fl.ArrayDataset(x[70:], y[70:], dtype="float64")
last, best = (trainer.test(net, data, checkpoint=which)["test_loss"] for which in ("last", "best"))
counted = int(matrix._counts.sum())
print(f"last {last:.8f} best {best:.8f} counted {counted}", flush=True)
