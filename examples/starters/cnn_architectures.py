"""CNN architectures: what batch normalisation and skip connections do for deep networks."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

KINDS = ["plain", "norm", "residual"]


def load():
    """Return CIFAR-10 if it was downloaded, else digits, with which all goes faster.

    ``firstlight data download cifar10`` downloads it, 170 MB.
    """
    if fl.datasets.cifar10.files.at_hand():
        return fl.datasets.load("cifar10", normalize=True, augment=("flip", "crop"))
    return fl.datasets.load("digits", batch_size=64)


# --- the blocks: two convolutions each --------------------------------------------------------


def convolution(before, after, stride, norm):
    """Return a 3 x 3 convolution, with batch normalisation if wanted."""
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=not norm)
    if norm:
        return [conv, nn.BatchNorm2d(after)]
    shape = conv.weight.shape  # without a norm, signals keep their size by the initial weights
    conv.weight.data[...] = nn.init.kaiming_normal(shape, nonlinearity="relu")
    return [conv]


class Block(fl.Module):
    """y = ReLU(conv(ReLU(conv(x)))); the residual block adds x before the last ReLU."""

    def __init__(self, kind, before, after, stride=1):
        self.skips, norm = kind == "residual", kind != "plain"
        first, second = convolution(before, after, stride, norm), convolution(after, after, 1, norm)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        self.relu = nn.ReLU()
        self.stride, self.new = stride, after - before

    def forward(self, x):  # (N, H, W, before) -> (N, H/stride, W/stride, after)
        h = self.body(x)
        if self.skips:
            self.save(x.shape)
            h = h + self.shortcut(x)
        return self.relu(h)

    def backward(self, dy):
        dh = self.relu.backward(dy)
        dx = self.body.backward(dh)
        if self.skips:  # x went two ways: the second one has no weights, and loses nothing
            (shape,) = self.saved()
            before = shape[3]
            dx[:, :: self.stride, :: self.stride] += dh[..., :before]
        return dx

    def shortcut(self, x):
        """Return x in the shape of h: every second pixel, and zeros as the new channels."""
        x = x[:, :: self.stride, :: self.stride]
        return np.pad(x, [(0, 0)] * 3 + [(0, self.new)])


class Net(fl.Module):
    """A convolution, three stages of blocks, the mean over all pixels, and a linear layer.

    Each stage after the first has half the size and twice the channels. ``depth`` counts the
    layers with weights: 2 + 6 n with n blocks in a stage.
    """

    def __init__(self, kind, depth, shape, classes, width=8):
        self.stem = nn.Sequential(*convolution(shape[2], width, 1, kind != "plain"), nn.ReLU())
        blocks, channels = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                before, channels = channels, width * 2**stage
                blocks.append(Block(kind, before, channels, 2 if stage and not index else 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.GlobalAvgPool2d(), nn.Linear(channels, classes))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # (N, H, W, C) -> scores (N, classes)
        return self.head(self.blocks(self.stem(x)))

    def backward(self, dy):
        return self.stem.backward(self.blocks.backward(self.head.backward(dy)))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=3e-3)


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=15, width=8, shallow=8, deep=32)
    data, histories, accuracies = load(), {}, {}
    for depth in (args.shallow, args.deep):
        for kind in KINDS:
            fl.seed_everything(args.seed)  # the same order of the images for all
            net = Net(kind, depth, data.input_shape, len(data.classes), args.width)
            trainer = fl.Trainer(name=f"{kind}-{depth}", callbacks=["lr_schedule"], **args.trainer)
            name = f"{kind} with {depth} layers"
            histories[name] = trainer.fit(net, data, resume=args.resume)
            accuracies[name] = trainer.test(net, data)["test_acc"]
    for name, accuracy in accuracies.items():
        print(f"test accuracy of {name} {accuracy:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    curves = {
        metric: {name: (h.steps(metric), h[metric]) for name, h in histories.items()}
        for metric in ("train_loss", "val_acc")
    }
    figures.save(figures.overlay(curves), trainer.run.path / "plots" / "depth.png")
    print(trainer.run.path / "plots" / "depth.png")


if __name__ == "__main__":
    main()
