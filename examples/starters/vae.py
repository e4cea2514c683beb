"""Autoencoder and VAE: squeeze digits through two numbers, then draw new digits from the plane."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

# --- data: a batch is (x, ε), the noise drawn again each epoch ---------------------------------


def load(latent):
    """Return digits with values in [0, 1]; validation and test see fixed noise."""

    def with_noise(batch, rng):  # ε ~ N(0, 1), a number for each latent variable
        return batch[0], rng.standard_normal((len(batch[0]), latent), "float32")

    digits = fl.datasets.load("digits", normalize=False)
    train, val, test = (part[:][0] for part in digits.parts.values())
    fixed = [with_noise((x,), np.random.default_rng(0)) for x in (val, test)]
    return fl.DataSplits((train,), *fixed, name="digits", batch_size=64, augment=with_noise)


# --- model and loss ---------------------------------------------------------------------------


class VAE(fl.Module):
    """Encode x as a normal distribution of z, draw a z, decode it.

    With beta = 0 it is an autoencoder: z is the mean.
    """

    def __init__(self, latent=2, hidden=128, beta=1.0):
        self.latent, self.beta = latent, beta
        layers = nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent)
        self.encoder = nn.Sequential(*layers)
        layers = nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 64)
        self.decoder = nn.Sequential(*layers)
        self.loss = NegativeELBO(beta)

    def encode(self, x):  # (N, 8, 8, 1) -> mean μ and log σ² of z, both (N, latent)
        return np.split(self.encoder(x.reshape(len(x), 64)), 2, axis=1)

    def decode(self, z):  # (N, latent) -> logits of the pixels (N, 8, 8, 1)
        return self.decoder(z).reshape(-1, 8, 8, 1)

    def forward(self, x, noise):
        mean, log_var = self.encode(x)
        spread = noise * np.exp(log_var / 2) * (self.beta > 0)  # ε σ
        self.save(spread)
        return self.decode(mean + spread), mean, log_var  # z = μ + ε σ

    def backward(self, dy):
        dlogits, dmean, dlog_var = dy
        (spread,) = self.saved()
        dz = self.decoder.backward(dlogits.reshape(-1, 64))
        dmean = dmean + dz  # dz/dμ = 1
        dlog_var = dlog_var + dz * spread / 2  # dz/d(log σ²) = ε σ / 2
        dx = self.encoder.backward(np.concatenate([dmean, dlog_var], axis=1))
        return dx.reshape(-1, 8, 8, 1)

    def validation_step(self, batch):
        x, noise = batch
        outputs = self(x, noise)
        return fl.StepOutput(self.loss(outputs, x), metrics=self.loss.parts, prediction=outputs[0])

    def training_step(self, batch):
        output = self.validation_step(batch)
        output.dy = self.loss.backward()
        return output

    def predict_step(self, batch):
        return self(*batch)[0]

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=2e-3)


class NegativeELBO(fl.Module):
    """Cross-entropy of the pixels plus β KL(N(μ, σ²) || N(0, 1)), both summed over an image."""

    def __init__(self, beta):
        self.beta, self.parts = beta, {}

    def forward(self, outputs, x):
        logits, mean, log_var = outputs
        n = len(x)
        entropy = (np.logaddexp(0, logits) - x * logits).sum() / n
        kl = (mean**2 + np.exp(log_var) - 1 - log_var).sum() / (2 * n)
        self.parts = {"pixels": entropy, "kl": kl}
        self.save(pixels(logits) - x, mean, np.exp(log_var) - 1)
        return entropy + self.beta * kl

    def backward(self):
        difference, mean, excess = self.saved()
        n = len(mean)
        return difference / n, self.beta * mean / n, self.beta * excess / (2 * n)


# --- pictures ---------------------------------------------------------------------------------


def plane(net, count=12, reach=2.0):
    """Return the digits that a grid over the first two latent variables decodes to."""
    values = np.linspace(-reach, reach, count)
    z = np.zeros((count * count, net.latent), "float32")
    z[:, 0], z[:, 1] = np.tile(values, count), np.repeat(-values, count)
    return pixels(net.eval().decode(z))


def pixels(logits):
    return 1 / (1 + np.exp(-logits))


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=300, latent=2, hidden=128, beta=1.0)
    data, net = load(args.latent), VAE(args.latent, args.hidden, args.beta)
    trainer = fl.Trainer(name="vae", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test loss {trainer.test(net, data)['test_loss']:.3f} nats an image")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    plots, x = trainer.run.path / "plots", data.test[:16][0]
    found = pixels(trainer.predict(net, data.test)[:16])
    net.to(device="cpu")  # after `predict`, which moves it to the Trainer's
    both = figures.image_grid(np.concatenate([x, found]), columns=16)
    figures.save(both, plots / "reconstructions.png")
    figures.save(figures.image_grid(plane(net), columns=12), plots / "plane.png")
    print(plots / "plane.png")


if __name__ == "__main__":
    main()
