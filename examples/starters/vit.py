"""Vision Transformer: cut digits into patches, and let attention find out which belong together."""

import numpy as np

import firstlight as fl
from firstlight import figures, nn, optim


def load():
    return fl.datasets.load("digits", batch_size=64)  # 8 x 8 pixels


# --- patches: an image as a sequence ----------------------------------------------------------


def patches_of(x, side):
    """Return an image's patches in reading order, (N, H, W, C) -> (N, HW/P², P² C)."""
    n, h, w, c = x.shape
    grid = x.reshape(n, h // side, side, w // side, side, c)
    return grid.swapaxes(2, 3).reshape(n, h // side * (w // side), side * side * c)


def image_of(patches, shape, side):
    """Return the image of patches: the inverse, which is also the backward of `patches_of`."""
    n, h, w, c = shape
    grid = patches.reshape(n, h // side, w // side, side, side, c)
    return grid.swapaxes(2, 3).reshape(shape)


class Patches(fl.Module):
    """Map each patch by the same matrix, put a class token before them, and add positions."""

    def __init__(self, shape, side, width):
        (h, w, c), self.side = shape, side
        self.project = nn.Linear(side * side * c, width)
        self.token = fl.Parameter(nn.init.normal((width,), std=0.5))
        self.positions = fl.Parameter(nn.init.normal((1 + h * w // side**2, width), std=0.5))

    def forward(self, x):  # (N, H, W, C) -> (N, 1 + T, width)
        self.save(x.shape)
        h = self.project(patches_of(x, self.side))  # (N, T, width)
        token = np.broadcast_to(self.token.data, (len(x), 1, h.shape[2]))
        return np.concatenate([token, h], axis=1) + self.positions.data

    def backward(self, dy):
        (shape,) = self.saved()
        self.positions.grad += dy.sum(axis=0)  # each image has the same positions,
        self.token.grad += dy[:, 0].sum(axis=0)  # and the same token
        return image_of(self.project.backward(dy[:, 1:]), shape, self.side)


# --- the network ------------------------------------------------------------------------------


class Block(fl.Module):
    """Attention between the patches, then an MLP at each; both are added to what comes in."""

    def __init__(self, width, heads):
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiHeadAttention(width, heads)
        layers = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        self.mlp = nn.Sequential(*layers)

    def forward(self, x):  # (N, 1 + T, width)
        h = x + self.attention(self.norm1(x))
        return h + self.mlp(self.norm2(h))

    def backward(self, dy):
        dh = dy + self.norm2.backward(self.mlp.backward(dy))
        return dh + self.norm1.backward(self.attention.backward(dh))


class ViT(fl.Module):
    def __init__(self, shape=(8, 8, 1), side=2, width=48, blocks=3, heads=4):
        self.patches = Patches(shape, side, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # (N, H, W, C) -> scores (N, 10)
        h = self.blocks(self.patches(x))  # (N, 1 + T, width)
        self.save(h.shape)
        return self.head(self.norm(h[:, 0]))  # of the class token alone

    def backward(self, dy):
        (shape,) = self.saved()
        dh = np.zeros_like(dy, shape=shape)  # the patches reach the loss through the blocks,
        dh[:, 0] = self.norm.backward(self.head.backward(dy))  # the class token directly
        return self.patches.backward(self.blocks.backward(dh))

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.05)


def looks(net, x):
    """Return how strongly the class token attends to each pixel, (blocks, N, H, W, 1)."""
    n, h, w, _ = x.shape
    side, maps = net.patches.side, []
    for weights in figures.attention_weights(net, x).values():  # (N, heads, 1 + T, 1 + T)
        to_patches = weights.mean(axis=1)[:, 0, 1:]  # (N, T)
        pixels = np.repeat(to_patches[..., None], side * side, axis=2)  # (N, T, P²)
        maps.append(image_of(pixels, (n, h, w, 1), side))
    return np.stack(maps)


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=20, side=2, width=48, blocks=3, heads=4)
    data = load()
    net = ViT(data.input_shape, args.side, args.width, args.blocks, args.heads)
    trainer = fl.Trainer(name="vit", callbacks=["lr_schedule"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test accuracy {trainer.test(net, data)['test_acc']:.4f}")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    x = np.stack([data.test[:][0][data.test[:][1] == digit][0] for digit in range(10)])
    maps = looks(net.to(device="cpu"), x)
    rows = [x, *maps]
    rows = [(row - row.min((1, 2, 3), keepdims=True)) / np.ptp(row, (1, 2, 3), keepdims=True)
            for row in rows]  # fmt: skip
    title = "Digits, and where the class token looks in each block"
    grid = figures.image_grid(np.concatenate(rows), columns=10, title=title)
    figures.save(grid, trainer.run.path / "plots" / "attention.png")
    print(trainer.run.path / "plots" / "attention.png")


if __name__ == "__main__":
    main()
