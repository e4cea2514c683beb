"""Denoising diffusion: learn to remove noise from digits, then draw new digits from pure noise."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

STEPS = 100  # of the diffusion, from a digit to noise
KEPT = np.cumprod(1 - np.linspace(1e-3, 0.1, STEPS))  # ᾱ_t: share of the digit left at step t


# --- data: a batch is (x_t, ε, t), drawn again each epoch -------------------------------------


def diffuse(batch, rng):
    """Take digits x₀ to random steps t: x_t = √ᾱ_t x₀ + √(1 - ᾱ_t) ε."""
    (x,) = batch  # (N, 8, 8, 1)
    t = rng.integers(STEPS, size=len(x))  # (N,)
    noise = rng.standard_normal(x.shape, "float32")  # ε, what the network is to find
    kept = KEPT[t].astype("float32").reshape(-1, 1, 1, 1)
    return np.sqrt(kept) * x + np.sqrt(1 - kept) * noise, noise, t


def load():
    """Return digits with values in [-1, 1]; validation and test see fixed steps and noise."""
    digits = fl.datasets.load("digits", normalize=False)
    train, val, test = (2 * part[:][0] - 1 for part in digits.parts.values())
    rng = np.random.default_rng(0)
    fixed = [diffuse((np.tile(part, (10, 1, 1, 1)),), rng) for part in (val, test)]
    return fl.DataSplits((train,), *fixed, name="digits", batch_size=64, augment=diffuse)


# --- the network: which noise is in x_t? ------------------------------------------------------


class Block(fl.Module):
    """h + W₂ SiLU(W₁ LayerNorm(h) + W_t e): a residual block with the step t as input e."""

    def __init__(self, width):
        self.norm, self.first = nn.LayerNorm(width), nn.Linear(width, width)
        self.time = nn.Linear(width, width, bias=False)
        self.silu, self.second = nn.SiLU(), nn.Linear(width, width)

    def forward(self, h, e):  # both (N, width)
        a = self.first(self.norm(h)) + self.time(e)
        return h + self.second(self.silu(a))

    def backward(self, dy):
        da = self.silu.backward(self.second.backward(dy))
        de = self.time.backward(da)  # a is a sum: both of its terms get da
        dh = dy + self.norm.backward(self.first.backward(da))  # h went two ways
        return dh, de


class Denoiser(fl.Module):
    def __init__(self, width=256, blocks=3):
        self.time = nn.Sequential(nn.Linear(32, width, needs_dx=False), nn.SiLU())
        self.inlet = nn.Linear(64, width)
        self.blocks = [Block(width) for _ in range(blocks)]
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64))
        self.loss = nn.MSELoss()

    def forward(self, x, t):  # x (N, 8, 8, 1), t (N,) -> ε (N, 8, 8, 1)
        e = self.time(waves(t, x))  # (N, width)
        h = self.inlet(x.reshape(len(x), 64))
        for block in self.blocks:
            h = block(h, e)
        return self.outlet(h).reshape(x.shape)

    def backward(self, dy):
        dh, de = self.outlet.backward(dy.reshape(len(dy), 64)), 0
        for block in reversed(self.blocks):
            dh, of_block = block.backward(dh)
            de = de + of_block  # e went to every block: its gradients add
        self.time.backward(de)
        return self.inlet.backward(dh).reshape(dy.shape)

    def validation_step(self, batch):
        x, noise, t = batch
        found = self(x, t)
        return fl.StepOutput(self.loss(found, noise), prediction=found)

    def training_step(self, batch):
        output = self.validation_step(batch)
        output.dy = self.loss.backward()
        return output

    def predict_step(self, batch):
        return self(batch[0], batch[2])

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


def waves(t, like):
    """Return sines and cosines of t at 16 frequencies, (N, 32), as a Transformer's positions."""
    angles = t[:, None] * np.asarray(10 ** np.linspace(0, -3, 16), like=t)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(like.dtype)


# --- drawing digits: from noise back to x₀, step by step --------------------------------------


def sample(net, count, seed=0):
    """Return x_t at each step t, the last one first: (STEPS + 1, count, 8, 8, 1)."""
    rng = np.random.default_rng(seed)
    film = [rng.standard_normal((count, 8, 8, 1), "float32")]
    net.eval()
    for t in reversed(range(STEPS)):
        x, before = film[-1], KEPT[t - 1] if t else 1.0  # ᾱ at t - 1
        beta = 1 - KEPT[t] / before  # the share of noise that step t adds
        noise = net(x, np.full(count, t))
        x = (x - beta / np.sqrt(1 - KEPT[t]) * noise) / np.sqrt(1 - beta)
        if t:  # a little fresh noise, of the variance that x_t-1 has given x_t and x₀
            spread = np.sqrt(beta * (1 - before) / (1 - KEPT[t]))
            x = x + spread * rng.standard_normal(x.shape)
        film.append(x.astype("float32"))
    return np.stack(film)


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=500, width=256)
    data, net = load(), Denoiser(args.width)
    trainer = fl.Trainer(name="diffusion", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test loss {trainer.test(net, data)['test_loss']:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    film = sample(net.to(device="cpu"), 64).clip(-1, 1)
    plots = trainer.run.path / "plots"
    figures.save(figures.image_grid(film[-1], title="Drawn from noise"), plots / "samples.png")
    figures.animation(map(figures.image_grid, film[::10, :16]), plots / "samples.gif")
    print(plots / "samples.gif")


if __name__ == "__main__":
    main()
