"""Character GPT: a small Transformer learns to spell, and to write lines like Shakespeare's."""

import math
import pydoc_data.topics
from dataclasses import replace

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim
from firstlight.models.sampling import sample

# --- data: a batch is (x, y), characters and those that follow them ----------------------------


def load(context):
    """Return Tiny Shakespeare if it was downloaded, else a text that comes with Python.

    ``firstlight data download tiny_shakespeare`` downloads it, 1 MB.
    """
    settings = {"block_size": context, "batch_size": 16}
    if fl.datasets.tiny_shakespeare.files.at_hand():
        data = fl.datasets.load("tiny_shakespeare", **settings)
    else:  # the reference of the language
        data = fl.datasets.load("text", path=pydoc_data.topics.__file__, **settings)
    halves = np.array_split(data.val.tokens, 2)  # of the last tenth
    data.val, data.test = (replace(data.val, tokens=half) for half in halves)
    return data


# --- the network ------------------------------------------------------------------------------


class Block(fl.Module):
    """Attention, which moves information between positions, then an MLP at each position."""

    def __init__(self, width, heads):
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiHeadAttention(width, heads, is_causal=True)
        layers = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(*layers)

    def forward(self, x):  # (N, T, width)
        h = x + self.attention(self.norm1(x))
        return h + self.mlp(self.norm2(h))

    def backward(self, dy):
        dh = dy + self.norm2.backward(self.mlp.backward(dy))  # h went two ways
        return dh + self.norm1.backward(self.attention.backward(dh))  # and so did x


class CharGPT(fl.Module):
    def __init__(self, characters, context, width=96, blocks=3, heads=4):
        self.context = context
        self.characters = nn.Embedding(characters, width)  # what
        self.positions = nn.Embedding(context, width)  # where
        for table in (self.characters, self.positions):
            table.weight.data *= 0.1  # near zero, so that the first blocks change them soon
        self.blocks = [Block(width, heads) for _ in range(blocks)]
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)
        self.loss = nn.CrossEntropyLoss()  # the mean over all positions

    def forward(self, x):  # characters (N, T) -> scores of the next ones (N, T, V)
        h = self.characters(x) + self.positions(np.arange(x.shape[1], like=x))  # (N, T, width)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))

    def backward(self, dy):
        dh = self.norm.backward(self.head.backward(dy))
        for block in reversed(self.blocks):
            dh = block.backward(dh)
        self.positions.backward(dh.sum(axis=0))  # a position is the same in all samples
        self.characters.backward(dh)

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.01)


# --- writing ----------------------------------------------------------------------------------


def write(net, prompt, count, seed=0, temperature=0.8):
    """Continue tokens (T,) by as many drawn ones, each from all scores after those before it."""
    rng, tokens = np.random.default_rng(seed), np.asarray(prompt)
    net.eval()
    for _ in range(count):
        scores = net(tokens[None, -net.context :])[:, -1]  # (1, V), of the last position
        tokens = np.append(tokens, sample(scores, rng, temperature=temperature))
    return tokens


def main(words=None):
    options = {"epochs": 2, "context": 64, "width": 96, "blocks": 3, "heads": 4, "letters": 500}
    args = fl.starters.arguments(__doc__, words, **options)
    data = load(args.context)
    letters = data.tokenizer
    net = CharGPT(letters.vocab_size, args.context, args.width, args.blocks, args.heads)
    trainer = fl.Trainer(name="char_gpt", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    nats = trainer.test(net, data)["test_loss"]
    print(f"test bits per character {nats / math.log(2):.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    net.to(device="cpu")
    prompt = data.test.tokens[:32]
    print(letters.decode(write(net, prompt, args.letters)))
    line = data.test.tokens[8:28][None, : args.context]  # (1, T)
    blocks = list(figures.attention_weights(net, line).values())  # (1, heads, T, T) each
    maps, names = [], []
    for number in sorted({0, len(blocks) - 1}):
        (weights,) = blocks[number]
        head = weights.max(axis=2).mean(axis=1).argmax()  # the one with the narrowest look
        maps.append(weights[head])
        names.append(f"block {number}, head {head}")
    text = letters.decode(line[0])
    picture = figures.attention_maps(np.stack(maps), text, titles=names)
    figures.save(picture, trainer.run.path / "plots" / "attention.png")
    print(trainer.run.path / "plots" / "attention.png")


if __name__ == "__main__":
    main()
