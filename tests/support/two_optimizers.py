"""Models with two optimizers that tests share: a GAN stepped by hand, and an actor and a critic."""

import numpy as np

import firstlight as fl
from firstlight import nn, optim


class GAN(fl.Module):
    """A generator of points in the plane, and its discriminator."""

    steps_by_hand = True

    def __init__(self):
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        self.loss = nn.BCEWithLogitsLoss()
        self.rng = np.random.default_rng(7)

    def forward(self, z):
        return self.generator(z)

    def configure_optimizer(self):
        return {
            "d": optim.Adam(self.discriminator.parameters(), lr=0.02),
            "g": optim.Adam(self.generator.parameters(), lr=0.01),
        }

    def judged(self, points, label):
        """Return the discriminator's loss if the points had this label, and its dx."""
        score = self.discriminator(points)
        loss = self.loss(score, np.full_like(score, label))
        return loss, self.discriminator.backward(self.loss.backward())

    def training_step(self, batch):
        d, g = self.optimizers["d"], self.optimizers["g"]
        real = batch[0]
        noise = self.rng.normal(size=(len(real), 3)).astype(real.dtype)
        fake = self.generator(np.asarray(noise, like=real))
        d_loss = self.judged(real, 1)[0] + self.judged(fake, 0)[0]
        d.step()
        g_loss, dfake = self.judged(fake, 1)
        self.generator.backward(dfake)
        g.step()
        return fl.StepOutput(g_loss, metrics={"d_loss": d_loss})

    def validation_step(self, batch):
        score = self.discriminator(batch[0])
        return fl.StepOutput(self.loss(score, np.ones_like(score)))


class ActorCritic(fl.Module):
    """A policy and a value of states; the Trainer steps both."""

    def __init__(self):
        self.actor, self.critic = nn.Linear(3, 2), nn.Linear(3, 1)
        self.policy_loss = nn.CrossEntropyLoss(reduction="none")
        self.value_loss = nn.MSELoss()

    def forward(self, state):
        return {"logits": self.actor(state), "value": self.critic(state)}

    def backward(self, dy):
        return self.actor.backward(dy["logits"]) + self.critic.backward(dy["value"])

    def configure_optimizer(self):
        return {
            "actor": optim.AdamW(self.actor.parameters(), lr=0.01),
            "critic": optim.SGD(self.critic.parameters(), lr=0.05, momentum=0.9),
        }

    def losses(self, batch):
        """Return the loss, and in training dy by output."""
        y, gain = self(batch["state"]), batch["gain"]
        advantage = (gain - y["value"])[:, 0] / len(gain)
        loss = (advantage * self.policy_loss(y["logits"], batch["action"])).sum()
        loss = loss + 0.5 * self.value_loss(y["value"], gain)
        if not self.training:
            return loss, None
        dy = {"logits": self.policy_loss.backward(advantage)}
        return loss, dy | {"value": 0.5 * self.value_loss.backward()}

    def training_step(self, batch):
        loss, dy = self.losses(batch)
        return fl.StepOutput(loss, dy, {"gain": batch["gain"].mean()})

    def validation_step(self, batch):
        loss, _ = self.losses(batch)
        return fl.StepOutput(loss)

    def predict_step(self, batch):
        return self(batch["state"])


class HandActorCritic(ActorCritic):
    """The same, stepped by hand."""

    steps_by_hand = True

    def training_step(self, batch):
        loss, dy = self.losses(batch)
        self.backward(dy)
        self.optimizers["actor"].step()
        self.optimizers["critic"].step()
        return fl.StepOutput(loss, metrics={"gain": batch["gain"].mean()})


def points(count=40, seed=3):
    """Return points in the plane as data without targets."""
    return (np.random.default_rng(seed).normal(2, 0.5, (count, 2)).astype("float32"),)


def episodes(batches=5, seed=4):
    """Return batches of states, actions and gains as dicts; the last is smaller."""
    rng = np.random.default_rng(seed)
    sizes = [8] * (batches - 1) + [5]
    return [
        {
            "state": rng.normal(size=(n, 3)).astype("float32"),
            "action": rng.integers(0, 2, n),
            "gain": rng.normal(size=(n, 1)).astype("float32"),
        }
        for n in sizes
    ]
