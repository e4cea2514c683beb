"""A training in half precision whose gradients overflow at first."""

import numpy as np

import firstlight as fl
from firstlight import Trainer, nn, optim
from firstlight.optim.loss_scale import FIRST


class Net(fl.Module):
    """A network whose gradients are too large for half precision at first."""

    loudness = 30.0

    def __init__(self, make=lambda p: optim.AdamW(p, lr=1e-2)):
        self.body = nn.Sequential(
            nn.Linear(6, 16),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(16, 8),
            nn.GELU(),
            nn.Linear(8, 1),
        )
        self.loss, self.make = nn.MSELoss(), make

    def forward(self, x):
        return self.loudness * self.body(x)

    def backward(self, dy):
        return self.body.backward(self.loudness * dy)

    def configure_optimizer(self):
        return self.make(self.parameters())


def loader(**options):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((26, 6)).astype("float32")
    return fl.DataLoader((x, 9 + x[:, :1]), batch_size=4, shuffle=True, **options)


def fit(module, *, resume=None, **settings):
    settings = {"max_epochs": 4, "log_every_n_steps": 1, "runs_dir": None} | settings
    trainer = Trainer(device="cuda", precision="16", default_callbacks=False, **settings)
    history = trainer.fit(module, loader(), resume=resume)
    return trainer, history


def compare_captured(settings):
    """Train captured and uncaptured; both must give the same bits, and meet overflow."""
    states, scales = [], []
    for capture in (True, False):
        fl.seed_everything(1)
        module = Net()
        trainer, history = fit(module, capture=capture, **settings)
        assert bool(trainer.loop.step.graphs) == capture
        states.append(module.state_dict())
        scales.append(history["loss_scale"])
    assert scales[0] == scales[1]
    assert scales[0][-1] < FIRST, "nothing was too large"
    assert np.isfinite(history["train_loss"]).all()
    assert history["train_loss"][-1] < history["train_loss"][0]
    for key, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][key], err_msg=key)
