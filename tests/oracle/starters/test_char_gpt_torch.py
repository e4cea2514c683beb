"""The character GPT against its PyTorch twin: same weights, text and loss."""

import math

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        a, hidden = self.norm1(x), nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = x + self.attention(a, a, a, attn_mask=hidden, is_causal=True, need_weights=False)[0]
        return h + self.mlp(self.norm2(h))


class Twin(nn.Module):
    def __init__(self, characters, context, width, blocks, heads):
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters)

    def forward(self, x):
        h = self.characters(x) + self.positions.weight[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def loss(twin, batch, **settings):
    x, y = batch
    return nn.functional.cross_entropy(twin(x).flatten(0, 1), y.flatten(), **settings)


def figures(epochs=1, context=32, width=32, blocks=2, heads=2, characters=100_000):
    script = starter("char_gpt")
    data = script.load(context)
    data.train.tokens = data.train.tokens[:characters]
    sizes = data.tokenizer.vocab_size, context, width, blocks, heads
    net, twin = script.CharGPT(*sizes), Twin(*sizes)
    adam = torch.optim.AdamW(twin.parameters(), lr=2e-3, weight_decay=0.01)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    with torch.no_grad():
        sums = [loss(twin, tensors(b), reduction="sum").item() for b in data.loader("test")]
    theirs = sum(sums) / (len(data.test.tokens) - 1)  # each but the first is predicted once
    return [nats / math.log(2) for nats in (trainer.test(net, data)["test_loss"], theirs)]


@pytest.mark.slow
def test_the_twin_needs_as_many_bits():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
