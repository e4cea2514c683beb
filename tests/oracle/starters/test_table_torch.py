"""The MLP on a table against its PyTorch twin: same weights, batches and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

import firstlight as fl

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h):
        return h + self.second(self.first(self.norm(h)).relu())


class Twin(nn.Module):
    def __init__(self, features, mean, std, width):
        super().__init__()
        self.inlet, self.outlet = nn.Linear(features, width), nn.Linear(width, 1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.mean, self.std = mean, std

    def forward(self, x):
        h = self.inlet(x)
        for block in self.blocks:
            h = block(h)
        return self.mean + self.std * self.outlet(h)


def loss(twin, batch):
    x, y = batch
    return nn.functional.mse_loss(twin(x) / twin.std, y / twin.std)


def figures(epochs=3, width=16):
    script = starter("table")
    fl.seed_everything(0)
    data = script.load()
    y = data.train[:][1]
    sizes = *data.input_shape, float(y.mean()), float(y.std()), width
    net, twin = script.Net(*sizes), Twin(*sizes)
    adam = torch.optim.AdamW(twin.parameters(), lr=1e-3, weight_decay=1.0)
    train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    x, y = data.test[:]
    with torch.no_grad():
        theirs = twin(tensors(x)).numpy()
    return script.rmse(net.eval(), x, y), script.rmse(lambda x: theirs, x, y)


@pytest.mark.slow
def test_the_twin_reaches_the_same_error():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
