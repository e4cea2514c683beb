"""The U-Net against its PyTorch twin: same weights, scenes and loss."""

import pytest
from starter_scripts import starter, train_both

torch = pytest.importorskip("torch")
nn = torch.nn


def convolutions(before, after):
    layers = []
    for channels in (before, after):
        conv = nn.Conv2d(channels, after, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Level(nn.Module):
    def __init__(self, before, channels):
        super().__init__()
        width, *below = channels
        self.down, self.below = convolutions(before, width), None
        if below:
            self.below = Level(width, below)
            self.up = nn.ConvTranspose2d(below[0], width, 2, stride=2)
            self.join = convolutions(2 * width, width)

    def forward(self, x):
        skip = self.down(x)
        if self.below is None:
            return skip
        deep = self.up(self.below(nn.functional.max_pool2d(skip, 2)))
        return self.join(torch.cat([skip, deep], dim=1))


class Twin(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.levels = Level(1, [width * 2**level for level in range(depth)])
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x):  # (N, H, W, 1) -> (N, 4, H, W)
        return self.head(self.levels(x.permute(0, 3, 1, 2)))


def loss(twin, batch):
    return nn.functional.cross_entropy(twin(batch[0]), batch[1])


def figures(epochs=3, width=8, depth=3, count=160):
    script = starter("unet")
    data, net, twin = script.load(count), script.UNet(width, depth), Twin(width, depth)
    adam = torch.optim.Adam(twin.parameters(), lr=3e-3)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    x, mask = data.test[:]
    with torch.no_grad():
        theirs = twin(torch.from_numpy(x)).argmax(dim=1).numpy()
    found = trainer.predict(net, x).argmax(axis=3)
    return script.iou(found, mask).mean(), script.iou(theirs, mask).mean()


@pytest.mark.slow
def test_the_twin_reaches_the_same_overlap():
    ours, theirs = figures()
    assert ours == pytest.approx(theirs, rel=0.01)
