"""Generative adversarial network: a generator of digits and a discriminator that learns to tell."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

LATENT = 32  # numbers of noise from which a digit is made


# --- data: a batch is (x, z), digits and as many vectors of noise --------------------------------


def with_noise(batch, rng):
    """Draw the noise z that the generator turns into digits: new at each step."""
    (x,) = batch  # (N, 8, 8, 1)
    return x, rng.standard_normal((len(x), LATENT), "float32")


def load():
    """Return digits with values in [-1, 1]; validation and test see fixed noise."""
    digits = fl.datasets.load("digits", normalize=False)
    train, val, test = (2 * part[:][0] - 1 for part in digits.parts.values())
    rng = np.random.default_rng(0)
    fixed = [with_noise((part,), rng) for part in (val, test)]
    return fl.DataSplits((train,), *fixed, name="digits", batch_size=64, augment=with_noise)


# --- two networks, and a step of each -------------------------------------------------------------


class GAN(fl.Module):
    """Forward is the generator's; the discriminator serves its loss."""

    steps_by_hand = True  # training_step runs backward, and steps both optimizers

    def __init__(self, width=256):
        self.generator = nn.Sequential(
            *(nn.Linear(LATENT, width, needs_dx=False), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, 64), nn.Tanh()),
        )
        self.discriminator = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, width), nn.LeakyReLU(0.2)),
            nn.Linear(width, 1),  # the logit s of "this digit is real"
        )
        self.loss = nn.BCEWithLogitsLoss()

    def forward(self, z):  # (N, LATENT) -> (N, 8, 8, 1)
        return self.generator(z).reshape(len(z), 8, 8, 1)

    def backward(self, dy):
        return self.generator.backward(dy.reshape(len(dy), 64))

    def judge(self, x, real):
        """Return the loss if the discriminator should call x real (1) or fake (0)."""
        score = self.discriminator(x)  # (N, 1)
        return self.loss(score, np.full_like(score, real))

    def dx_of_judgement(self):
        """Undo `judge`: add the discriminator's gradients, and return dL/dx."""
        return self.discriminator.backward(self.loss.backward())

    def training_step(self, batch):
        x, z = batch
        fake = self(z)
        # The discriminator: real digits are real, and the generator's are not.
        loss = self.judge(x, 1)
        self.dx_of_judgement()
        loss = loss + self.judge(fake, 0)
        self.dx_of_judgement()  # its dx is not for the generator, which wants the opposite
        self.optimizers["discriminator"].step()
        # The generator: its digits should be called real. The discriminator only passes dx on;
        # the gradients that this adds to its weights are dropped at the end of the step.
        of_generator = self.judge(fake, 1)
        self.backward(self.dx_of_judgement())
        self.optimizers["generator"].step()
        return fl.StepOutput(loss, metrics={"generator_loss": of_generator})

    def validation_step(self, batch):
        x, z = batch
        fake = self(z)
        loss = self.judge(x, 1) + self.judge(fake, 0)
        return fl.StepOutput(loss, metrics={"generator_loss": self.judge(fake, 1)})

    def predict_step(self, batch):
        return self(batch[1])

    def configure_optimizer(self):
        return {
            name: optim.Adam(part.parameters(), lr=5e-4, betas=(0.5, 0.999))
            for name, part in (("generator", self.generator), ("discriminator", self.discriminator))
        }


# --- pictures: the same noise after more and more training ----------------------------------------


class Film(fl.Callback):
    """Keep what the generator makes of fixed noise, every few epochs."""

    def __init__(self, every):
        self.every, self.frames = every, []

    def on_train_epoch_end(self, trainer, module):
        if trainer.epoch % self.every == 0 or trainer.epoch == 1:
            self.frames.append(sample(module, 16).tolist())

    def state_dict(self):
        return {"frames": self.frames}

    def load_state_dict(self, state):
        self.frames = state["frames"]


def sample(net, count, seed=0):
    """Return digits made from noise, (count, 8, 8, 1)."""
    z = np.random.default_rng(seed).standard_normal((count, LATENT), "float32")
    net.eval()
    return net(np.asarray(z, like=net.parameters()[0].data))  # on the device of the weights


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=200, width=256)
    data, net = load(), GAN(args.width)
    film = Film(max(1, args.epochs // 25))
    trainer = fl.Trainer(name="gan", callbacks=["lr_schedule", film], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test loss {trainer.test(net, data)['test_loss']:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    plots = trainer.run.path / "plots"
    samples = sample(net.to(device="cpu"), 64)
    figures.save(figures.image_grid(samples, title="Made from noise"), plots / "samples.png")
    figures.animation(map(figures.image_grid, np.array(film.frames)), plots / "samples.gif")
    print(plots / "samples.gif")


if __name__ == "__main__":
    main()
