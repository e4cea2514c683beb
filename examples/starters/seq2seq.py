"""Sequence to sequence with attention: read dates as people write them, write them as ISO dates."""

from datetime import date, timedelta

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

# --- data: "the twenty-first of march 1987" -> "1987-03-21" ------------------------------------

ONES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
TEENS = "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
ORDINALS = [*ONES.split(), *TEENS.split(), *("twenty-" + n for n in ONES.split()[:9])]
ORDINALS += ["thirtieth", "thirty-first"]
LONGEST, WRITTEN = 36, 10  # characters of a date as people write it, and of an ISO date
ALPHABET = fl.tokenizers.CharTokenizer(" ,-.0123456789>abcdefghijklmnopqrstuvwxyz")
START = ALPHABET.encode(">")[0]  # what the decoder reads before the first character


def in_words(day, form):
    """Write a date in one of five forms."""
    month, weekday = day.strftime("%B").lower(), day.strftime("%A").lower()
    return [
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{weekday}, {day.day} {month[:3]} {day.year}",
        f"the {ORDINALS[day.day - 1]} of {month} {day.year}",
        f"{day.day}.{day.month}.{day.year}",
    ][form]


def encoded(texts):
    return np.array([ALPHABET.encode(text.ljust(LONGEST)) for text in texts])  # (N, 36)


def load(count=10_000):
    """Return dates of two centuries in random forms; no date is in two of the three splits."""
    rng = np.random.default_rng(0)
    days = [date(1900, 1, 1) + timedelta(int(n)) for n in rng.permutation(73_000)[: count + 2000]]
    x = encoded(map(in_words, days, rng.integers(5, size=len(days))))
    y = np.array([ALPHABET.encode(day.isoformat()) for day in days])  # (N, 10)
    parts = [(x[a:b], y[a:b]) for a, b in ((2000, None), (0, 1000), (1000, 2000))]
    return fl.DataSplits(*parts, name="dates", batch_size=64, tokenizer=ALPHABET)


# --- the network ------------------------------------------------------------------------------


class Attention(fl.Module):
    """Each query takes a mean of all values, weighted by how well it fits them: c = p e."""

    def __init__(self, width, of_values):
        self.query = nn.Linear(width, of_values, bias=False)
        self.scale = of_values**-0.5

    def forward(self, h, e):  # h (N, T, width), e (N, S, of_values)
        q = self.query(h)  # (N, T, of_values)
        scores = self.scale * (q @ e.swapaxes(1, 2))  # (N, T, S)
        p = np.exp(scores - scores.max(axis=2, keepdims=True))
        p = p / p.sum(axis=2, keepdims=True)
        self.save(q, e, p)
        self.weights = p  # for the picture
        return p @ e  # (N, T, of_values)

    def backward(self, dc):
        q, e, p = self.saved()
        dp = dc @ e.swapaxes(1, 2)  # (N, T, S)
        ds = self.scale * p * (dp - (p * dp).sum(axis=2, keepdims=True))  # of q · e
        de = p.swapaxes(1, 2) @ dc + ds.swapaxes(1, 2) @ q  # e is value and key
        return self.query.backward(ds @ e), de


class Seq2Seq(fl.Module):
    def __init__(self, width=64):
        self.embed = nn.Embedding(ALPHABET.vocab_size, 32)  # of what is read and of what is written
        self.encoder = nn.GRU(32, width, bidirectional=True)
        self.bridge = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh())
        self.decoder = nn.GRU(32, width)
        self.attention = Attention(width, 2 * width)
        self.head = nn.Sequential(nn.Linear(3 * width, width), nn.Tanh())
        self.outlet = nn.Linear(width, ALPHABET.vocab_size)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x, y):  # x (N, S), y (N, T): to write y_t the decoder reads y_0 … y_t-1
        before = np.concatenate([np.full_like(y[:, :1], START), y[:, :-1]], axis=1)
        e = self.encoder(self.embed(x))  # (N, S, 2 width)
        last = np.concatenate(list(self.encoder.state), axis=1)  # (N, 2 width), both directions
        h = self.decoder(self.embed(before), self.bridge(last)[None])  # (N, T, width)
        c = self.attention(h, e)  # (N, T, 2 width)
        return self.outlet(self.head(np.concatenate([h, c], axis=2)))  # scores (N, T, V)

    def backward(self, dy):
        dboth = self.head.backward(self.outlet.backward(dy))
        width = dboth.shape[2] // 3
        dh, de = self.attention.backward(dboth[:, :, width:])
        self.embed.backward(self.decoder.backward(dboth[:, :, :width] + dh))
        dlast = self.bridge.backward(self.decoder.dstate[0])  # (N, 2 width)
        dstate = np.stack(np.split(dlast, 2, axis=1))  # (2, N, width)
        self.embed.backward(self.encoder.backward(de, dstate))

    def validation_step(self, batch):
        x, y = batch  # (N, S), (N, T)
        scores = self(x, y)
        exact = (scores.argmax(axis=2) == y).all(axis=1).mean()
        return fl.StepOutput(self.loss(scores, y), metrics={"exact": exact}, prediction=scores)

    def training_step(self, batch):
        output = self.validation_step(batch)
        output.dy = self.loss.backward()
        return output

    def predict_step(self, batch):
        return self(*batch)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=3e-3)


def write(net, texts):
    """Return the ISO dates that the network writes, and its attention (N, 10, 36)."""
    net.eval()
    y = np.zeros((len(texts), WRITTEN), "int64")
    for t in range(WRITTEN):  # always the most likely character
        y[:, t] = net(encoded(texts), y[:, : t + 1])[:, t].argmax(axis=1)
    return [ALPHABET.decode(row) for row in y], net.attention.weights


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=4, width=64)
    data, net = load(), Seq2Seq(args.width)
    trainer = fl.Trainer(name="seq2seq", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    # Each character is right if all before it are, so `write` would get them right, too.
    print(f"test exactly right {trainer.test(net, data)['test_exact']:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    texts = [in_words(date(1987, 3, 21), form) for form in range(5)]
    found, weights = write(net.to(device="cpu"), texts)
    print(*map("{} -> {}".format, texts, found), sep="\n")
    keys, titles = texts[3].ljust(LONGEST), ["Where the decoder looks at each character"]
    picture = figures.attention_maps(weights[3:4], found[3], keys=keys, titles=titles)
    figures.save(picture, trainer.run.path / "plots" / "attention.png")
    print(trainer.run.path / "plots" / "attention.png")


if __name__ == "__main__":
    main()
