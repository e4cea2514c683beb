"""Adversarial examples: fool a classifier by small changes, and train one that resists them."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim


def load():
    """Return digits with pixels in [0, 1]: ε is a share of the range from black to white."""
    return fl.datasets.load("digits", normalize=False, batch_size=64)


# --- attacks: the input gradient is what backward returns ---------------------------------------


def input_gradient(net, x, y):
    """Return dL/dx, and set the gradients of the weights back to zero."""
    net.loss(net(x), y)
    dx = net.backward(net.loss.backward())
    net.zero_grad()
    return dx


def fgsm(net, x, y, epsilon):
    """Return x + ε sign(dL/dx): the largest loss within ε, if the loss were linear."""
    return np.clip(x + epsilon * np.sign(input_gradient(net, x, y)), 0, 1)


def pgd(net, x, y, epsilon, steps=10):
    """Repeat small FGSM steps, each projected back to within ε of x and to [0, 1]."""
    found, size = x, 2.5 * epsilon / steps
    for _ in range(steps):
        found = found + size * np.sign(input_gradient(net, found, y))
        found = np.clip(np.clip(found, x - epsilon, x + epsilon), 0, 1)
    return found


# --- a classifier, trained on digits or on attacked digits --------------------------------------


class Net(fl.Module):
    """A small CNN; with epsilon > 0 each training batch is attacked by PGD first."""

    def __init__(self, channels=16, epsilon=0.0, steps=5):
        self.epsilon, self.steps = epsilon, steps
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 2 * channels, 10),
        )
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # (N, 8, 8, 1) -> (N, 10)
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def training_step(self, batch):
        x, y = batch
        if self.epsilon:
            x = pgd(self, x, y, self.epsilon, self.steps)  # max over x, then a step of min over w
        return super().training_step((x, y))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=2e-3)


def accuracy(net, x, y, attack=None, epsilon=0.0):
    """Return the share of right answers to attacked digits; in evaluation mode, but with dx."""
    net.eval(keep_backward=True)
    if attack is not None:
        x = attack(net, x, y, epsilon)
    right = (net.eval()(x).argmax(axis=1) == y).mean()
    return float(right)


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=30, channels=16, epsilon=0.15)
    data, nets = load(), {}
    for name, epsilon in (("plain", 0.0), ("robust", args.epsilon)):
        fl.seed_everything(args.seed)  # the same initial weights and batches
        nets[name] = Net(args.channels, epsilon)
        trainer = fl.Trainer(name=f"adversarial-{name}", **args.trainer)
        trainer.fit(nets[name], data, resume=args.resume)
        nets[name].to(device="cpu")
    x, y = data.test[:]
    sizes = np.linspace(0, 2 * args.epsilon, 9).tolist()
    curves = {name: [accuracy(net, x, y, pgd, s) for s in sizes] for name, net in nets.items()}
    for name, net in nets.items():
        one = accuracy(net, x, y, fgsm, args.epsilon)
        print(f"{name}: clean {curves[name][0]:.4f}, FGSM {one:.4f}, PGD {curves[name][4]:.4f}")
    print(f"test accuracy under PGD {curves['robust'][4]:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    plots, net = trainer.run.path / "plots", nets["plain"].eval(keep_backward=True)
    fooled = pgd(net, x, y, args.epsilon)
    before, after = (net.eval()(part).argmax(axis=1) for part in (x, fooled))
    chosen = np.flatnonzero((before == y) & (after != y))[:8]
    grey = 0.5 + (fooled - x)[chosen] / (4 * args.epsilon)  # the change: grey is none
    rows = np.concatenate([x[chosen], grey, fooled[chosen]])
    titles = [*before[chosen].astype(str), *[""] * len(chosen), *after[chosen].astype(str)]
    names = "Digit, change, attacked digit, and how the plain network reads them"
    grid = figures.image_grid(rows, titles, columns=len(chosen), title=names)
    figures.save(grid, plots / "attacks.png")
    curve = figures.error_curves(sizes, curves, xlabel="ε of PGD", ylabel="test accuracy")
    figures.save(curve, plots / "accuracy.png")
    print(plots / "attacks.png")


if __name__ == "__main__":
    main()
