"""The convolutional models against PyTorch twins: outputs and all gradients, in float64."""

import numpy as np
import pytest

from firstlight.models import CNN, LeNet5, ResNet

torch = pytest.importorskip("torch")
F = torch.nn.functional


class ChannelsLast(torch.nn.Module):
    """Convolutions on (N, C, H, W), flattened as (N, H, W, C)."""

    def __init__(self, features, head):
        super().__init__()
        self.features, self.head = torch.nn.Sequential(*features), torch.nn.Sequential(*head)

    def forward(self, x):
        y = self.features(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.head(y.reshape(len(y), -1))


class TorchBlock(torch.nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.stride, self.more = stride, after - before
        self.conv1 = torch.nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = torch.nn.BatchNorm2d(after)
        self.conv2 = torch.nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = torch.nn.BatchNorm2d(after)

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(y + shortcut)


class TorchResNet(torch.nn.Module):
    def __init__(self, channels, classes, depth, width):
        super().__init__()
        nn = torch.nn
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks, before = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                after = width * 2**stage
                blocks.append(TorchBlock(before, after, 2 if stage and index == 0 else 1))
                before = after
        self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(before, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x.permute(0, 3, 1, 2))).mean(dim=(2, 3)))


def twins(name):
    nn = torch.nn
    if name == "cnn":
        features = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)]
        sizes = {"channels": (3, 4), "padding": 0, "pool_every": 2, "hidden": (6,)}
        ours = CNN((10, 9, 2), 5, **sizes, norm=None, dropout=0, hidden_dropout=0)
        head = [nn.Linear(4 * 3 * 2, 6), nn.ReLU(), nn.Linear(6, 5)]
        return ours, ChannelsLast(features, head), (10, 9, 2)
    if name == "lenet5":
        features = [nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)]
        features += [nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)]
        head = [nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)]
        return LeNet5((28, 28, 1), 10), ChannelsLast(features, head), (28, 28, 1)
    return ResNet((9, 8, 3), 4, depth=14, width=4), TorchResNet(3, 4, 14, 4), (9, 8, 3)


@pytest.mark.parametrize("name", ["cnn", "lenet5", "resnet"])
def test_output_and_gradients(name):
    ours, twin, shape = twins(name)
    ours.to(dtype="float64").from_torch(twin.double().state_dict())
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, *shape))
    y, theirs = ours(x), twin(torch.from_numpy(x))
    np.testing.assert_allclose(y, theirs.detach(), rtol=1e-9, atol=1e-11)
    dy = rng.normal(size=y.shape)
    ours.backward(dy)
    theirs.backward(torch.from_numpy(dy))
    gradients = {n: p.grad.numpy() for n, p in twin.named_parameters()}
    assert len(gradients) == len(ours.parameters())
    for n, parameter in ours.named_parameters():
        axes = parameter.torch_axes
        mine = np.transpose(parameter.grad, axes) if axes else parameter.grad
        np.testing.assert_allclose(mine, gradients[n], rtol=1e-7, atol=1e-10, err_msg=n)
