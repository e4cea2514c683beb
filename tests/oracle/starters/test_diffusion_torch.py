"""Denoising diffusion against its PyTorch twin: same weights, batches and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.first = nn.LayerNorm(width), nn.Linear(width, width)
        self.time, self.second = nn.Linear(width, width, bias=False), nn.Linear(width, width)

    def forward(self, h, e):
        return h + self.second(nn.functional.silu(self.first(self.norm(h)) + self.time(e)))


class Twin(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(32, width), nn.SiLU())
        self.inlet = nn.Linear(64, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(3))
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64))

    def forward(self, x, t):
        angles = t[:, None] * 10 ** torch.linspace(0, -3, 16)
        e = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        h = self.inlet(x.flatten(1))
        for block in self.blocks:
            h = block(h, e)
        return self.outlet(h).reshape(x.shape)


def loss(twin, batch):
    x, noise, t = batch
    return nn.functional.mse_loss(twin(x, t), noise)


def figures(epochs=5, width=64):
    script = starter("diffusion")
    data, net, twin = script.load(), script.Denoiser(width), Twin(width)
    adam = torch.optim.Adam(twin.parameters(), lr=1e-3)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    with torch.no_grad():
        theirs = loss(twin, tensors(data.test[:])).item()
    return trainer.test(net, data)["test_loss"], theirs


@pytest.mark.slow
def test_the_twin_reaches_the_same_test_loss():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
