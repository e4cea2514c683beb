"""Policy gradient: an actor learns to balance a pole on a cart, a critic says what to expect."""

import numpy as np
from matplotlib.figure import Figure

import firstlight as fl
from firstlight import figures, nn, optim

MOST = 500  # steps of an episode
GAMMA = 0.99  # γ, by which each later reward counts less


# --- the cart and its pole: states (N, 4) are x, x', angle and angle' -----------------------------


def push(state, right):
    """Return the states 0.02 s later, with a force of 10 N to the right or to the left."""
    x, speed, angle, turning = state.T
    sin, cos = np.sin(angle), np.cos(angle)
    a = (np.where(right, 10, -10) + 0.05 * turning**2 * sin) / 1.1  # masses 1 and 0.1 kg
    turn = (9.8 * sin - a * cos) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))  # half length 0.5 m
    speed_up = a - 0.05 * turn * cos / 1.1
    change = np.stack([speed, speed_up, turning, turn], axis=1)
    return (state + 0.02 * change).astype(state.dtype)


def upright(state):
    """Return which carts are within 2.4 m, with a pole within 12 degrees."""
    return (np.abs(state[:, 0]) < 2.4) & (np.abs(state[:, 2]) < np.pi / 15)


def play(logit, state, chance=None):
    """Play an episode from each state: states (T + 1, N, 4), pushes (T, N), alive (T + 1, N).

    ``logit(state)`` (N, 1) is that of a push to the right. ``chance`` (N, MOST) has numbers in
    [0, 1) that decide on the pushes; without it, the more probable one is chosen.
    """
    states, pushes, alive = [state], [], [upright(state)]
    while len(pushes) < MOST and alive[-1].any():
        p = 1 / (1 + np.exp(-logit(states[-1])[:, 0]))  # (N,)
        pushes.append(p > (0.5 if chance is None else chance[:, len(pushes)]))
        states.append(push(states[-1], pushes[-1]))
        alive.append(alive[-1] & upright(states[-1]))
    return np.stack(states), np.stack(pushes), np.stack(alive)


def begin(batch, rng):
    """Return where the episodes of a step begin, and its random numbers."""
    count = len(batch[0])
    start = rng.uniform(-0.05, 0.05, (count, 4)).astype("float32")
    return start, rng.random((count, MOST), "float32")


def load():
    """Return 20 steps an epoch, of 8 episodes; validation and test have 20 fixed starts each."""
    val, test = (begin([range(20)], np.random.default_rng(seed))[0] for seed in (1, 2))
    empty = np.zeros((160, 4), "float32")
    return fl.DataSplits((empty,), (val,), (test,), batch_size=8, augment=begin)


# --- the actor and its critic ---------------------------------------------------------------------


class ActorCritic(fl.Module):
    steps_by_hand = True  # a step plays episodes before it has a loss

    def __init__(self, width=64):
        first, second = (nn.Linear(4, width, needs_dx=False) for _ in range(2))
        self.actor = nn.Sequential(first, nn.Tanh(), nn.Linear(width, 1))
        self.critic = nn.Sequential(second, nn.Tanh(), nn.Linear(width, 1))
        self.policy_loss = nn.BCEWithLogitsLoss(reduction="none")  # -log of the push's probability
        self.value_loss = nn.MSELoss()

    def forward(self, state):  # (N, 4)
        return {"logit": self.actor(state), "value": self.critic(state)}  # (N, 1) each

    def backward(self, dy):
        self.actor.backward(dy["logit"])
        self.critic.backward(dy["value"])

    def training_step(self, batch):
        self.eval()  # to play keeps nothing for backward
        states, pushes, alive = play(self.actor, *batch)
        gain = gains(alive, self.critic(states[-1])[:, 0])[alive[:-1]][:, None]  # (M, 1)
        self.train()
        y = self(states[:-1][alive[:-1]])  # the M states in which a push was chosen
        pushed = pushes[alive[:-1]][:, None].astype(gain.dtype)
        advantage = (gain - y["value"]) / len(gain)  # a constant: it has no gradient
        loss = (advantage * self.policy_loss(y["logit"], pushed)).sum()
        dy = {"logit": self.policy_loss.backward(advantage)}
        steps, value_loss = alive[:-1].sum(axis=0).mean(), self.value_loss(y["value"], gain)
        self.backward(dy | {"value": self.value_loss.backward()})
        self.optimizers["actor"].step()
        self.optimizers["critic"].step()
        return fl.StepOutput(loss, metrics={"return": steps, "value_loss": value_loss})

    def validation_step(self, batch):
        steps = play(self.actor, *batch)[2][:-1].sum(axis=0).mean()
        return fl.StepOutput(1 - steps / MOST, metrics={"return": steps})

    def configure_optimizer(self):
        actor, critic = self.actor.parameters(), self.critic.parameters()
        return {"actor": optim.Adam(actor, lr=3e-3), "critic": optim.Adam(critic, lr=1e-2)}


def gains(alive, last):
    """Return G_t = (1 - γ) r_t + γ G_t+1, from 0 to 1, of each state (T, N).

    An episode that ends upright continues with the critic's value of its last state.
    """
    gain, found = last * alive[-1], []
    for still in alive[-2::-1]:
        gain = ((1 - GAMMA) + GAMMA * gain) * still
        found.append(gain)
    return np.stack(found[::-1]).astype(last.dtype)


# --- an episode as a film -------------------------------------------------------------------------


def scene(title, state):
    """Draw a cart and its pole."""
    figure = Figure(figsize=(4, 1.8), layout="constrained")
    axes = figure.add_subplot(xlim=(-2.4, 2.4), ylim=(-0.3, 1.5), aspect="equal", yticks=[])
    axes.set_title(title, fontsize=9)
    x, _, angle, _ = state
    axes.plot([x - 0.25, x + 0.25], [0, 0], linewidth=9, color="C0", solid_capstyle="butt")
    axes.plot([x, x + np.sin(angle)], [0, np.cos(angle)], linewidth=4, color="C1")
    return figure


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=10, width=64)
    data, net = load(), ActorCritic(args.width)
    start = data.test[:1][0]  # (1, 4)
    films = [("untrained", play(net.eval().actor, start)[0])]
    trainer = fl.Trainer(name="policy_gradient", **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test return {trainer.test(net, data)['test_return']:.1f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    films.append(("trained", play(net.to(device="cpu").eval().actor, start)[0]))
    scenes = (scene(f"{who}, step {t}", s[t, 0]) for who, s in films for t in range(0, len(s), 5))
    figures.animation(scenes, trainer.run.path / "plots" / "episode.gif", seconds=10)


if __name__ == "__main__":
    main()
