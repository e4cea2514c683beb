"""U-Net segmentation: say of each pixel whether it belongs to a disc, a square or a triangle."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim

CLASSES = ["ground", "disc", "square", "triangle"]
COLOURS = np.array([[0.1, 0.1, 0.1], [0.9, 0.6, 0.0], [0.35, 0.7, 0.9], [0.0, 0.6, 0.5]])
SIZE = 32  # pixels

# --- data: grey shapes in noise, and a mask of classes -----------------------------------------


def scenes(count, rng, shapes=2):
    """Return images (N, 32, 32, 1) and masks (N, 32, 32); later shapes cover earlier ones."""

    def one_each(low, high):  # a number for each image
        return rng.uniform(low, high, (count, 1, 1))

    ground, mask = one_each(0.3, 0.7), np.zeros((count, SIZE, SIZE), "int64")
    image = np.broadcast_to(ground, mask.shape)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for _ in range(shapes):
        radius = one_each(4, 8)
        v = (rows - one_each(6, SIZE - 6)) / radius  # the shape's own coordinates
        u = (columns - one_each(6, SIZE - 6)) / radius
        kinds = [
            u**2 + v**2 < 1,
            np.maximum(abs(u), abs(v)) < 0.9,
            (abs(u) < (v + 1) / 2) & (v < 1),
        ]
        kind = rng.integers(1, 4, (count, 1, 1))
        inside = np.select([kind == 1, kind == 2, kind == 3], kinds)
        light = ground + one_each(0.15, 0.4) * rng.choice([-1, 1], (count, 1, 1))
        image, mask = np.where(inside, light, image), np.where(inside, kind, mask)
    image = image + 0.1 * rng.standard_normal(image.shape)
    return image[..., None].astype("float32"), mask


def load(count=320):
    """Return scenes: each training batch gets new ones."""
    train, val, test = (scenes(n, np.random.default_rng(n)) for n in (count, 80, 160))
    settings = {"classes": CLASSES, "batch_size": 16, "name": "shapes"}
    fresh = lambda batch, rng: scenes(len(batch[0]), rng)  # noqa: E731
    return fl.DataSplits(train, val, test, augment=fresh, **settings)


# --- the network ------------------------------------------------------------------------------


def convolutions(before, after):
    """Return two convolutions that keep the size, each with batch normalisation and ReLU."""
    layers = []
    for channels in (before, after):
        conv = nn.Conv2d(channels, after, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Level(fl.Module):
    """A level of the U: convolutions, the levels below at half the size, and the way back.

    The skip connection carries what the pooling loses: where exactly an edge is.
    """

    def __init__(self, before, channels):
        width, *below = channels
        self.down = convolutions(before, width)
        self.below = None
        if below:
            self.pool, self.below = nn.MaxPool2d(2), Level(width, below)
            self.up = nn.ConvTranspose2d(below[0], width, 2, stride=2)
            self.join = convolutions(2 * width, width)

    def forward(self, x):  # (N, H, W, before) -> (N, H, W, width)
        skip = self.down(x)
        if self.below is None:
            return skip
        deep = self.up(self.below(self.pool(skip)))  # (N, H, W, width)
        return self.join(np.concatenate([skip, deep], axis=3))

    def backward(self, dy):
        if self.below is None:
            return self.down.backward(dy)
        dskip, ddeep = np.split(self.join.backward(dy), 2, axis=3)  # the halves of the joined
        dpool = self.below.backward(self.up.backward(ddeep))
        dskip = dskip + self.pool.backward(dpool)  # skip went two ways: its gradients add
        return self.down.backward(dskip)


class UNet(fl.Module):
    def __init__(self, width=8, depth=4):
        self.levels = Level(1, [width * 2**level for level in range(depth)])
        self.head = nn.Conv2d(width, len(CLASSES), 1)
        self.loss = nn.CrossEntropyLoss()  # the mean over all pixels

    def forward(self, x):  # (N, 32, 32, 1) -> scores (N, 32, 32, 4)
        return self.head(self.levels(x))

    def backward(self, dy):
        return self.levels.backward(self.head.backward(dy))

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=3e-3)


def iou(found, mask):
    """Return the intersection over union of each class, over all pixels."""
    both = [(found == c) & (mask == c) for c in range(len(CLASSES))]
    any_ = [(found == c) | (mask == c) for c in range(len(CLASSES))]
    return np.array([b.sum() / max(1, a.sum()) for b, a in zip(both, any_, strict=True)])


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=40, width=8, depth=4)
    data, net = load(), UNet(args.width, args.depth)
    trainer = fl.Trainer(name="unet", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    x, mask = data.test[:]
    found = trainer.predict(net, x).argmax(axis=3)  # (N, 32, 32)
    by_class = iou(found, mask)
    print(*(f"{name} {value:.3f}" for name, value in zip(CLASSES, by_class, strict=True)))
    print(f"test mean IoU {by_class.mean():.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    plots = trainer.run.path / "plots"
    grey = np.repeat(x[:8].clip(0, 1), 3, axis=3)
    rows = np.concatenate([grey, COLOURS[mask[:8]], COLOURS[found[:8]]])
    title = "Images, true masks, and masks found"
    figures.save(figures.image_grid(rows, columns=8, title=title), plots / "masks.png")
    print(plots / "masks.png")


if __name__ == "__main__":
    main()
