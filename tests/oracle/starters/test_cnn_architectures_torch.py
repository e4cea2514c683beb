"""The CNNs of three kinds against their PyTorch twins: same weights, images and loss."""

import pytest
from starter_scripts import starter, tensors, train_both

torch = pytest.importorskip("torch")
nn = torch.nn
pad = nn.functional.pad


def convolution(before, after, stride, norm):
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=not norm)
    return [conv, nn.BatchNorm2d(after)] if norm else [conv]


class Block(nn.Module):
    def __init__(self, kind, before, after, stride):
        super().__init__()
        self.skips, norm = kind == "residual", kind != "plain"
        first, second = convolution(before, after, stride, norm), convolution(after, after, 1, norm)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        self.stride, self.new = stride, after - before

    def forward(self, x):
        h = self.body(x)
        if self.skips:
            h = h + pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return h.relu()


class Twin(nn.Module):
    def __init__(self, kind, depth, channels, classes, width):
        super().__init__()
        stem = convolution(channels, width, 1, kind != "plain")
        self.stem = nn.Sequential(*stem, nn.ReLU())
        blocks, before = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                after = width * 2**stage
                blocks.append(Block(kind, before, after, 2 if stage and not index else 1))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Identity(), nn.Linear(before, classes))

    def forward(self, x):  # (N, H, W, C)
        return self.head(self.blocks(self.stem(x.permute(0, 3, 1, 2))).mean(dim=(2, 3)))


def loss(twin, batch):
    return nn.functional.cross_entropy(twin(batch[0]), batch[1])


def figures(kind="residual", depth=8, epochs=4, width=8):
    script = starter("cnn_architectures")
    data = script.load()
    shape, classes = data.input_shape, len(data.classes)
    net, twin = (
        script.Net(kind, depth, shape, classes, width),
        Twin(kind, depth, shape[2], classes, width),
    )
    adam = torch.optim.Adam(twin.parameters(), lr=3e-3)
    trainer = train_both(net, data, epochs, twin, adam, loss, ["lr_schedule"])
    right = []
    with torch.no_grad():
        for batch in data.loader("test"):
            x, y = tensors(batch)
            right.append(twin(x).argmax(dim=1) == y)
    return trainer.test(net, data)["test_acc"], torch.cat(right).float().mean().item()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "norm", "residual"])
def test_the_twin_reads_as_many_images(kind):
    ours, theirs = figures(kind)
    assert ours == pytest.approx(theirs, rel=0.01)
