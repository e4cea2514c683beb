"""The Vision Transformer against its PyTorch twin: same weights, digits and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Patches(nn.Module):
    def __init__(self, side, width):
        super().__init__()
        self.side = side
        self.project = nn.Linear(side * side, width)
        self.token = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(torch.zeros(1 + 64 // side**2, width))

    def forward(self, x):  # (N, 8, 8, 1)
        patches = nn.functional.unfold(x.permute(0, 3, 1, 2), self.side, stride=self.side)
        h = self.project(patches.transpose(1, 2))
        return torch.cat([self.token.expand(len(x), 1, -1), h], dim=1) + self.positions


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        a = self.norm1(x)
        h = x + self.attention(a, a, a, need_weights=False)[0]
        return h + self.mlp(self.norm2(h))


class Twin(nn.Module):
    def __init__(self, side, width, blocks, heads):
        super().__init__()
        self.patches = Patches(side, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patches(x))[:, 0]))


def loss(twin, batch):
    return nn.functional.cross_entropy(twin(batch[0]), batch[1])


def figures(epochs=5, side=2, width=32, blocks=2, heads=2):
    script = starter("vit")
    data = script.load()
    net = script.ViT(data.input_shape, side, width, blocks, heads)
    twin = Twin(side, width, blocks, heads)
    adam = torch.optim.AdamW(twin.parameters(), lr=2e-3, weight_decay=0.05)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    x, y = tensors(data.test[:])
    with torch.no_grad():
        theirs = (twin(x).argmax(dim=1) == y).float().mean().item()
    return trainer.test(net, data)["test_acc"], theirs


@pytest.mark.slow
def test_the_twin_reads_as_many_digits():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
    assert ours > 0.5  # something was learned
