"""Sequence to sequence against its PyTorch twin: same weights, dates and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Attention(nn.Module):
    def __init__(self, width, of_values):
        super().__init__()
        self.query = nn.Linear(width, of_values, bias=False)

    def forward(self, h, e):
        return nn.functional.scaled_dot_product_attention(self.query(h), e, e)


class Twin(nn.Module):
    def __init__(self, width, characters, start):
        super().__init__()
        self.start = start
        self.embed = nn.Embedding(characters, 32)
        self.encoder = nn.GRU(32, width, batch_first=True, bidirectional=True)
        self.bridge = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh())
        self.decoder = nn.GRU(32, width, batch_first=True)
        self.attention = Attention(width, 2 * width)
        self.head = nn.Sequential(nn.Linear(3 * width, width), nn.Tanh())
        self.outlet = nn.Linear(width, characters)

    def forward(self, x, y):
        before = torch.cat([torch.full_like(y[:, :1], self.start), y[:, :-1]], dim=1)
        e, last = self.encoder(self.embed(x))
        h, _ = self.decoder(self.embed(before), self.bridge(torch.cat([*last], dim=1))[None])
        return self.outlet(self.head(torch.cat([h, self.attention(h, e)], dim=2)))


def loss(twin, batch):
    return nn.functional.cross_entropy(twin(*batch).flatten(0, 1), batch[1].flatten())


def figures(epochs=3, width=48, count=6000):
    script = starter("seq2seq")
    data, net = script.load(count), script.Seq2Seq(width)
    twin = Twin(width, script.ALPHABET.vocab_size, script.START)
    adam = torch.optim.Adam(twin.parameters(), lr=3e-3)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    x, y = tensors(data.test[:])
    with torch.no_grad():
        theirs = (twin(x, y).argmax(dim=2) == y).all(dim=1).float().mean().item()
    return trainer.test(net, data)["test_exact"], theirs


@pytest.mark.slow
def test_the_twin_writes_as_many_dates():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
    assert ours > 0.1  # something was learned
