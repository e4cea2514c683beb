"""Training strategies: which tricks help? Six networks side by side, on few digits."""

import numpy as np
from matplotlib.figure import Figure

import firstlight as fl
from firstlight import callbacks, figures, nn, optim

STRATEGIES = ("plain", "schedule", "weight_decay", "dropout", "augmentation", "smoothing")
SEEDS = 3  # networks of each strategy


def load():
    """Return few digits: a training batch is (x, y, x with random affine changes)."""
    digits = fl.datasets.load("digits", val_size=0.3, test_size=0.5, augment=("affine",))
    warp = digits.augment
    digits.augment = lambda batch, rng: (*batch, warp(batch, rng)[0])
    return digits


# --- the networks of all strategies, as one module ------------------------------------------------


class Classifier(fl.Module):
    def __init__(self, width, p):
        self.body = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, width, needs_dx=False), nn.ReLU(), nn.Dropout(p)),
            nn.Linear(width, 10),
        )

    def forward(self, x):  # (N, 8, 8, 1) -> (N, 10)
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)


class Contest(fl.Module):
    """All strategies get the same first weights and the same batches: comparisons are in pairs."""

    def __init__(self, width=64):
        self.nets = {
            name: [Classifier(width, 0.5 if name == "dropout" else 0.0) for _ in range(SEEDS)]
            for name in STRATEGIES
        }
        for nets in self.nets.values():
            for net, first in zip(nets, self.nets["plain"], strict=True):
                net.load_state_dict(first.state_dict())
        self.loss = nn.CrossEntropyLoss()
        self.smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)

    def forward(self, x, warped=None):  # -> logits (SEEDS, N, 10) by strategy
        inputs = dict.fromkeys(STRATEGIES, x)
        if warped is not None:
            inputs["augmentation"] = warped
        return {
            name: np.stack([net(inputs[name]) for net in nets]) for name, nets in self.nets.items()
        }

    def backward(self, dy):  # the networks share nothing, and so do their gradients
        for name, nets in self.nets.items():
            for net, of_net in zip(nets, dy[name], strict=True):
                net.backward(of_net)

    def training_step(self, batch):
        x, y, warped = batch
        total, dy = 0.0, {}
        for name, logits in self(x, warped).items():
            loss = self.smoothed if name == "smoothing" else self.loss
            total = total + loss(logits.reshape(-1, 10), np.tile(y, SEEDS)) * SEEDS
            dy[name] = loss.backward().reshape(logits.shape) * SEEDS  # each has its own mean
        return fl.StepOutput(total, dy)

    def validation_step(self, batch):
        x, y = batch
        metrics = {}
        for name, logits in self(x).items():
            metrics[f"loss_{name}"] = self.loss(logits.reshape(-1, 10), np.tile(y, SEEDS))
            metrics[f"acc_{name}"] = (logits.argmax(axis=2) == y).mean()
        total = sum(metrics[f"loss_{name}"] for name in STRATEGIES) * SEEDS
        return fl.StepOutput(total, metrics=metrics)

    def configure_optimizer(self):
        decay = {"weight_decay": 0.3}  # 0 for the others
        return {
            name: optim.AdamW(self.parameters_of(name), lr=3e-3, weight_decay=decay.get(name, 0.0))
            for name in STRATEGIES
        }

    def parameters_of(self, name):
        return [parameter for net in self.nets[name] for parameter in net.parameters()]


# --- the picture ----------------------------------------------------------------------------------


def drawn(history, accuracies):
    """Draw the validation losses, with their lowest points, and the test accuracy of each seed."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row, (name, found) in enumerate(accuracies.items()):
        losses = np.array(history[f"val_loss_{name}"])
        best = losses.argmin()
        left.plot(np.arange(1, len(losses) + 1), losses, color=f"C{row}", label=name)
        left.plot(best + 1, losses[best], "o", color=f"C{row}", markersize=4)
        right.plot(100 * found, [row] * SEEDS, "o", color=f"C{row}", markersize=4, alpha=0.6)
        right.plot(100 * found.mean(), row, "|", color=f"C{row}", markersize=16)
    left.set(xlabel="epoch", ylabel="validation loss", yscale="log")
    left.legend(fontsize=7, frameon=False)
    right.set(xlabel="test accuracy in %", yticks=range(len(accuracies)))
    right.set_yticklabels(list(accuracies))
    right.invert_yaxis()
    return figure


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=60, width=64)
    data, net = load(), Contest(args.width)
    cosine = callbacks.LRSchedule("cosine", optimizer="schedule")
    trainer = fl.Trainer(name="strategies", callbacks=[cosine], **args.trainer)
    history = trainer.fit(net, data, resume=args.resume)
    results = trainer.test(net, data)
    for name in STRATEGIES:
        print(f"test accuracy {name} {results[f'test_acc_{name}']:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    x, y = data.test[:]
    logits = net.to(device="cpu").eval()(x)
    accuracies = {name: (z.argmax(axis=2) == y).mean(axis=1) for name, z in logits.items()}
    figures.save(drawn(history, accuracies), trainer.run.path / "plots" / "strategies.png")


if __name__ == "__main__":
    main()
