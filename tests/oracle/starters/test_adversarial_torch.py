"""Adversarial training against its PyTorch twin: same weights, batches and attacks by autograd."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Flatten(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Twin(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1, stride=2),
            nn.ReLU(),
            Flatten(),
            nn.Linear(16 * 2 * channels, 10),
        )

    def forward(self, x):
        return self.body(x.permute(0, 3, 1, 2))


def pgd(twin, x, y, epsilon, steps):
    found = x
    for _ in range(steps):
        found = found.detach().requires_grad_()
        nn.functional.cross_entropy(twin(found), y).backward()
        found = found.detach() + 2.5 * epsilon / steps * found.grad.sign()
        found = found.clamp(x - epsilon, x + epsilon).clamp(0, 1)
    twin.zero_grad()
    return found


def figures(epochs=3, channels=8, epsilon=0.15):
    script = starter("adversarial")
    data, net, twin = script.load(), script.Net(channels, epsilon), Twin(channels)

    def loss(twin, batch):
        x, y = batch
        return nn.functional.cross_entropy(twin(pgd(twin, x, y, epsilon, 5)), y)

    adam = torch.optim.Adam(twin.parameters(), lr=2e-3)
    train_both(net, data, epochs, twin, adam, loss)
    x, y = tensors(data.test[:])
    theirs = (twin(pgd(twin, x, y, epsilon, 10)).argmax(dim=1) == y).float().mean().item()
    return script.accuracy(net, *data.test[:], script.pgd, epsilon), theirs


@pytest.mark.slow
def test_the_twin_resists_as_often():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
