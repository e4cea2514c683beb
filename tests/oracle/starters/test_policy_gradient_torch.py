"""Actor and critic against their PyTorch twins, which play and learn from the same starts."""

import numpy as np
import pytest
from starter_scripts import starter

import firstlight as fl

torch = pytest.importorskip("torch")
nn = torch.nn


class Twin(fl.Callback):
    """Actor and critic in PyTorch; each step plays its own episodes."""

    def __init__(self, script, width):
        self.script = script
        self.actor, self.critic = (
            nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1)) for _ in range(2)
        )
        self.optimizers = [
            torch.optim.Adam(self.actor.parameters(), lr=3e-3),
            torch.optim.Adam(self.critic.parameters(), lr=1e-2),
        ]

    def on_fit_start(self, module):
        self.actor.load_state_dict(module.actor.to_torch())
        self.critic.load_state_dict(module.critic.to_torch())

    def logit(self, state):
        with torch.no_grad():
            return self.actor(torch.from_numpy(state)).numpy()

    def on_train_batch_end(self, batch):
        states, pushes, alive = map(torch.from_numpy, self.script.play(self.logit, *batch))
        with torch.no_grad():
            gain = self.critic(states[-1])[:, 0] * alive[-1]
        gains = []
        for still in alive[:-1].flip(0):
            gain = (1 - self.script.GAMMA + self.script.GAMMA * gain) * still
            gains.insert(0, gain)
        played = alive[:-1]
        gain, state = torch.stack(gains)[played], states[:-1][played]
        value = self.critic(state)[:, 0]
        policy = torch.distributions.Bernoulli(logits=self.actor(state)[:, 0])
        chosen = policy.log_prob(pushes[played].float())
        loss = -((gain - value).detach() * chosen).mean() + ((gain - value) ** 2).mean()
        for one in self.optimizers:
            one.zero_grad()
        loss.backward()
        for one in self.optimizers:
            one.step()


def figures(epochs=2, width=16):
    script = starter("policy_gradient")
    fl.seed_everything(0)
    data, net = script.load(), script.ActorCritic(width)
    twin = Twin(script, width)
    settings = {"default_callbacks": False, "runs_dir": None}
    trainer = fl.Trainer(max_epochs=epochs, callbacks=[twin], **settings)
    trainer.fit(net, data)
    _, _, alive = script.play(twin.logit, data.test[:][0])
    return trainer.test(net, data)["test_return"], np.sum(alive[:-1]) / alive.shape[1]


@pytest.mark.slow
def test_the_twin_plays_as_long():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
