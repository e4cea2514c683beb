"""EMA and SWA against torch.optim.swa_utils, over 200 steps of a real training."""

import nets
import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight import nn, optim
from firstlight.callbacks.averaging import EMA, SWA

torch = pytest.importorskip("torch")
swa_utils = torch.optim.swa_utils

STEPS, EPOCH = 200, 10


class Net(nets.Net):
    def __init__(self):
        super().__init__(
            nn.Linear(5, 7),
            nn.ReLU(),
            nn.Linear(7, 2),
            loss=nn.MSELoss(),
            optimizer=lambda p: optim.Adam(p, lr=0.02),
        )


class Weights(fl.Callback):
    """Hands each step's weights to PyTorch's average."""

    def __init__(self, averaged, twin, is_due):
        self.averaged, self.twin, self.is_due = averaged, twin, is_due

    def on_train_batch_end(self, trainer, module):
        if self.is_due(trainer.step):
            self.twin.load_state_dict(module.body.to_torch())
            self.averaged.update_parameters(self.twin)


def train(callback, average, is_due, dtype):
    rng = np.random.default_rng(3)
    data = rng.standard_normal((4 * EPOCH, 5)), rng.standard_normal((4 * EPOCH, 2))
    twin = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 2))
    twin.to(torch.float64 if dtype == "float64" else torch.float32)
    averaged = swa_utils.AveragedModel(twin, **average)
    module = Net().to(dtype=dtype)
    trainer = fl.Trainer(
        max_steps=STEPS,
        callbacks=[callback, Weights(averaged, twin, is_due)],
        default_callbacks=False,
        runs_dir=None,
    )
    trainer.fit(module, fl.DataLoader(fl.ArrayDataset(*data), batch_size=4, shuffle=True))
    assert trainer.step == STEPS
    last = {name: tensor.numpy() for name, tensor in twin.state_dict().items()}
    theirs = {name: tensor.numpy() for name, tensor in averaged.module.state_dict().items()}
    ours = {name: tensor.numpy() for name, tensor in module.body.to_torch().items()}
    return ours, theirs, last


def compare(ours, theirs, last, dtype):
    tolerance = {"rtol": 1e-12, "atol": 1e-14} if dtype == "float64" else {"atol": 2e-6}
    for name, array in theirs.items():
        assert ours[name].dtype == dtype
        np.testing.assert_allclose(ours[name], array, err_msg=name, **tolerance)
        assert not np.allclose(last[name], array, atol=1e-4)  # an average is something else


@pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], "float32"))
@pytest.mark.parametrize(("decay", "start"), [(0.9, 0), (0.99, 50), (0.999, 1)])
def test_ema(decay, start, dtype):
    average = {"avg_fn": swa_utils.get_ema_avg_fn(decay)}
    compare(
        *train(EMA(decay, start, warmup=False), average, lambda step: step >= start, dtype), dtype
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", [1, 12])
def test_swa(start, dtype):
    due = lambda step: step % EPOCH == 0 and step // EPOCH >= start  # noqa: E731
    compare(*train(SWA(start), {}, due, dtype), dtype)
