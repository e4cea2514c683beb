"""Generator and discriminator against their PyTorch twins: same weights, digits and noise."""

import pytest
from starter_scripts import starter, tensors

import firstlight as fl

torch = pytest.importorskip("torch")
nn = torch.nn


class Twin(fl.Callback):
    """Both networks in PyTorch, with a step of each after each of ours."""

    def __init__(self, script, width):
        self.generator = nn.Sequential(
            *(nn.Linear(script.LATENT, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Linear(width, 64), nn.Tanh()),
        )
        self.discriminator = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, width), nn.LeakyReLU(0.2)),
            nn.Linear(width, 1),
        )
        self.adams = {
            name: torch.optim.Adam(getattr(self, name).parameters(), betas=(0.5, 0.999))
            for name in ("generator", "discriminator")
        }

    def on_fit_start(self, module):
        self.generator.load_state_dict(module.generator.to_torch())
        self.discriminator.load_state_dict(module.discriminator.to_torch())

    def on_train_batch_end(self, trainer, batch):
        x, z = tensors(batch)
        fake = self.generator(z)
        for name, loss in (
            ("discriminator", lambda: self.judged(x, 1) + self.judged(fake.detach(), 0)),
            ("generator", lambda: self.judged(fake, 1)),
        ):
            self.adams[name].zero_grad()
            self.adams[name].param_groups[0]["lr"] = trainer.optimizer[name].lr
            loss().backward()
            self.adams[name].step()

    def judged(self, x, label):
        score = self.discriminator(x)
        return nn.functional.binary_cross_entropy_with_logits(score, torch.full_like(score, label))


def figures(epochs=5, width=64):
    script = starter("gan")
    fl.seed_everything(0)
    data, net = script.load(), script.GAN(width)
    twin = Twin(script, width)
    settings = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=["lr_schedule", twin], **settings)
    trainer.fit(net, data)
    x, z = tensors(data.test[:])
    with torch.no_grad():
        fake = twin.generator.eval()(z)
        theirs = twin.judged(x, 1) + twin.judged(fake, 0)
    return trainer.test(net, data)["test_loss"], theirs.item()


@pytest.mark.slow
def test_the_twins_reach_the_same_test_loss():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
