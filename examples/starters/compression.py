"""Pruning and int8: remove most weights of a network, and compute the rest in whole numbers."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

# --- a network whose weights can be removed -----------------------------------------------------


class Masked(fl.Module):
    """A linear layer without the weights of which the mask M is 0: y = x (W ∘ M)ᵀ + b."""

    def __init__(self, in_features, out_features):
        dense = nn.Linear(in_features, out_features)
        self.weight, self.bias = dense.weight, dense.bias
        self.mask = fl.Buffer(np.ones_like(self.weight.data))  # saved in checkpoints, not trained

    def forward(self, x):  # (N, I) -> (N, O)
        w = self.weight.data * self.mask.data
        self.save(x, w)
        return x @ w.T + self.bias.data

    def backward(self, dy):
        x, w = self.saved()
        self.weight.grad += (dy.T @ x) * self.mask.data  # a removed weight has no gradient
        self.bias.grad += dy.sum(axis=0)
        return dy @ w


class Net(fl.Module):
    def __init__(self, hidden=128):
        layers = [Masked(64, hidden), nn.ReLU(), Masked(hidden, hidden), nn.ReLU()]
        self.layers = [*layers, Masked(hidden, 10)]
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # (N, 8, 8, 1) -> (N, 10)
        x = x.reshape(len(x), 64)
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy.reshape(len(dy), 8, 8, 1)

    def prune(self, share):
        """Keep this share of all weights: the largest of the whole network."""
        masked = [layer for layer in self.layers if isinstance(layer, Masked)]
        sizes = [abs(layer.weight.data * layer.mask.data) for layer in masked]
        limit = np.quantile(np.concatenate([size.ravel() for size in sizes]), 1 - share)
        for layer, size in zip(masked, sizes, strict=True):
            layer.mask.data[...] = size >= limit

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=2e-3)


class Prune(fl.Callback):
    """Train a third of the epochs, prune in the second third, recover in the last.

    The share falls fast at first, when most weights are of no use: 1 - (1 - share)(1 - (1 - t)³).
    """

    def __init__(self, share, epochs):
        self.share, self.epochs = share, epochs

    def share_at(self, epoch):
        t = np.clip((epoch - self.epochs / 3) / (self.epochs / 3), 0, 1)
        return float(1 - (1 - self.share) * (1 - (1 - t) ** 3))

    def on_train_epoch_start(self, trainer, module):
        if 3 * trainer.epoch > self.epochs:
            module.prune(self.share_at(trainer.epoch))

    def on_train_epoch_end(self, trainer):
        trainer.log({"weights_left": self.share_at(trainer.epoch)})


# --- whole numbers ------------------------------------------------------------------------------


def as_int8(x, axis=None):
    """Return whole numbers q from -127 to 127 and a scale s with x ≈ s q; a scale for each row."""
    scale = np.maximum(abs(x).max(axis=axis, keepdims=axis is not None), 1e-12) / 127
    return np.rint(x / scale).clip(-127, 127).astype("int8"), scale


def int8_forward(net, x, examples):
    """Return the network's output for x; each product and sum is one of whole numbers.

    The scale of each layer's input is measured on examples.
    """
    x, examples = x.reshape(len(x), 64), examples.reshape(len(examples), 64)
    for layer in net.layers:
        if isinstance(layer, Masked):
            weight, row_scale = as_int8(layer.weight.data * layer.mask.data, axis=1)  # (O, I)
            scale = as_int8(examples)[1]
            inputs = np.rint(x / scale).clip(-127, 127).astype("int32")
            total = inputs @ weight.T.astype("int32")  # int32: 127² · I fits
            x = total * (scale * row_scale.T) + layer.bias.data
        else:
            x = np.maximum(x, 0)
        examples = layer(examples)
    return x


def size_of(net, share):
    """Return bytes in float32, and in int8 of the weights left, with a bit for each weight."""
    weights = sum(p.data.size for p in net.parameters() if p.data.ndim == 2)
    others = sum(p.data.size for p in net.parameters() if p.data.ndim == 1)
    return 4 * (weights + others), round(share * weights) + weights // 8 + 8 * others


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=60, hidden=128, share=0.05)
    data, net = fl.datasets.load("digits", normalize=False, batch_size=64), Net(args.hidden)
    prune = Prune(args.share, args.epochs)
    trainer = fl.Trainer(name="compression", callbacks=[prune], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    net.to(device="cpu").eval()
    x, y = data.test[:]
    full, small = size_of(net, args.share)
    print(f"{args.share:.0%} of the weights: accuracy {(net(x).argmax(axis=1) == y).mean():.4f}")
    print(f"{full:,} bytes before, {small:,} after")
    whole = int8_forward(net, x, data.train[:][0])
    print(f"test accuracy in int8 {(whole.argmax(axis=1) == y).mean():.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    plots, history = trainer.run.path / "plots", trainer.history
    names = {"val_acc": "validation accuracy", "weights_left": "share of the weights left"}
    curves = {title: history[name] for name, title in names.items()}
    epochs = history.at("val_acc", "epoch")
    curve = figures.error_curves(epochs, curves, xlabel="epoch", ylabel="")
    figures.save(curve, plots / "pruning.png")
    used = net.layers[0].mask.data.sum(axis=0).reshape(1, 8, 8, 1)
    figures.save(
        figures.image_grid(used, title="Weights left for each pixel"), plots / "pixels.png"
    )
    print(plots / "pruning.png")


if __name__ == "__main__":
    main()
