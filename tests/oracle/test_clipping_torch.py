"""GradientClip against torch.nn.utils, over 200 steps of a training."""

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.callbacks import GradientClip

torch = pytest.importorskip("torch")
STEPS, BATCH = 200, 8


class Net(nets.Net):
    def __init__(self):
        super().__init__(
            nn.Linear(5, 7),
            nn.Tanh(),
            nn.Linear(7, 2),
            loss=nn.MSELoss(),
            optimizer=lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        )


def torch_losses(twin, data, clip):
    sgd = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    for start in range(0, STEPS * BATCH, BATCH):
        x, y = (torch.from_numpy(part[start : start + BATCH]) for part in data)
        sgd.zero_grad()
        torch.nn.functional.mse_loss(twin(x), y).backward()
        clip(twin.parameters())
        sgd.step()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (GradientClip(max_norm=0.3), lambda p: torch.nn.utils.clip_grad_norm_(p, 0.3)),
        (GradientClip(clip_value=0.05), lambda p: torch.nn.utils.clip_grad_value_(p, 0.05)),
    ],
    ids=["norm", "value"],
)
def test_same_weights_after_200_steps(ours, theirs):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(STEPS * BATCH, 5)), 3 * rng.normal(size=(STEPS * BATCH, 2))
    module = Net().to(dtype="float64")
    twin = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2))
    twin.double().load_state_dict(module.body.to_torch())
    unclipped = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2))
    unclipped.double().load_state_dict(module.body.to_torch())
    loader = fl.DataLoader(fl.ArrayDataset(*data, dtype="float64"), BATCH)
    trainer = fl.Trainer(max_epochs=1, callbacks=[ours], default_callbacks=False, runs_dir=None)
    trainer.fit(module, loader)
    torch_losses(twin, data, theirs)
    torch_losses(unclipped, data, lambda parameters: None)
    mine = module.body.to_torch()
    for name, tensor in twin.state_dict().items():
        np.testing.assert_allclose(mine[name], tensor, rtol=1e-9, atol=1e-12)
        assert not np.allclose(mine[name], unclipped.state_dict()[name], atol=1e-3)
