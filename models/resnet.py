"""ResNet: convolutions with a way around them, so that networks can be deep."""

from firstlight import nn, optim
from firstlight.models.cnn import image_shape
from firstlight.module import Module


class BasicBlock(Module):
    """Two convolutions, and x added to what they make of it.

    Formula::

        y = relu(norm2(conv2(relu(norm1(conv1(x))))) + skip(x))

    skip is the identity, or a 1 × 1 convolution with normalisation where the block halves the
    image and widens the channels.

    Gradient: x reaches y on two ways, so their gradients add. However small the one through the
    convolutions may get, the one around them does not fade.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Of the first convolution; 2 halves the image.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2015, figure 2 and eq. 1-2.
    """

    def __init__(self, in_channels, out_channels, stride=1):
        self.conv1 = convolution(in_channels, out_channels, 3, stride)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = convolution(out_channels, out_channels, 3)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.skip = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.skip = nn.Sequential(
                convolution(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x):  # x (N, H, W, I)
        h = self.relu1(self.norm1(self.conv1(x)))  # (N, H/s, W/s, O)
        h = self.norm2(self.conv2(h))
        h += self.skip(x)
        return self.relu2(h)

    def backward(self, dy):  # dy (N, H/s, W/s, O)
        dh = self.relu2.backward(dy)
        dx = self.skip.backward(dh)  # (N, H, W, I)
        dh = self.conv2.backward(self.norm2.backward(dh))
        return dx + self.conv1.backward(self.norm1.backward(self.relu1.backward(dh)))


class ResNet(Module):
    """Residual network for small images: three stages of blocks, each at half the resolution.

    Formula, with n = (depth - 2) / 6 blocks a stage and w = width::

        h = relu(norm(conv(x)))         H × W × w
        h = n blocks                    H × W × w
        h = n blocks, the first halves  H/2 × W/2 × 2w
        h = n blocks, the first halves  H/4 × W/4 × 4w
        y = linear(mean over pixels)    classes

    Gradient: each layer's own, from the last to the first.

    ResNet-20 of width 16 has 0.27 million parameters. Where a block widens, the way around it is
    a 1 × 1 convolution (option B in the paper, which for CIFAR took A, padding with zeros).

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of one image.
    num_classes : int
    depth : int
        Layers with weights, not counting the ways around: 8, 14, 20, 26, 32, ...
    width : int
        Channels of the first stage.
    lr, momentum, weight_decay : float
        Of stochastic gradient descent with Nesterov's momentum.

    Raises
    ------
    ValueError
        A depth that is not 6n + 2, a width below 1, images that are not (height, width, channels).

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import ResNet
    >>> net = ResNet((32, 32, 3), 10, depth=8, width=4)
    >>> net(np.ones((2, 32, 32, 3), "float32")).shape
    (2, 10)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 20,
        width: int = 16,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
    ):
        *_, channels = image_shape("ResNet", input_shape)
        if depth < 8 or depth % 6 != 2:
            below = max(8, depth - (depth - 2) % 6)
            raise ValueError(
                f"ResNet: expected a depth of 6n + 2, i.e. 8, 14, 20, ..., got {depth}; "
                f"use e.g. {below} or {below + 6}"
            )
        if width < 1:
            raise ValueError(f"ResNet: expected a width of 1 or more, got {width}")
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.conv = convolution(channels, width, 3, needs_dx=False)  # nobody uses the pixels'
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        blocks = (depth - 2) // 6
        self.stage1 = stage(width, width, blocks)
        self.stage2 = stage(width, 2 * width, blocks, stride=2)
        self.stage3 = stage(2 * width, 4 * width, blocks, stride=2)
        self.mean = nn.GlobalAvgPool2d()
        self.linear = nn.Linear(4 * width, num_classes)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, H, W, C)
        h = self.relu(self.norm(self.conv(x)))  # (N, H, W, w)
        h = self.stage1(h)  # (N, H, W, w)
        h = self.stage2(h)  # (N, H/2, W/2, 2w)
        h = self.stage3(h)  # (N, H/4, W/4, 4w)
        h = self.mean(h)  # (N, 4w)
        return self.linear(h)  # (N, classes)

    def backward(self, dy):  # dy (N, classes)
        dh = self.linear.backward(dy)
        dh = self.mean.backward(dh)
        dh = self.stage3.backward(dh)
        dh = self.stage2.backward(dh)
        dh = self.stage1.backward(dh)
        return self.conv.backward(self.norm.backward(self.relu.backward(dh)))  # None

    def configure_optimizer(self):
        return optim.SGD(
            self.parameters(),
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.momentum > 0,
        )


def stage(in_channels, out_channels, blocks, stride=1):
    """Return blocks in a row, the first of which may halve the image."""
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(
        first, *(BasicBlock(out_channels, out_channels) for _ in range(blocks - 1))
    )


def convolution(in_channels, out_channels, kernel_size, stride=1, *, needs_dx=True):
    """Return a convolution that keeps the size at stride 1, with He's initial weights.

    It has no bias: the normalisation that follows would take it out again.
    """
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        bias=False,
        needs_dx=needs_dx,
    )
    conv.weight.data[...] = nn.init.kaiming_normal(
        conv.weight.shape, mode="fan_out", nonlinearity="relu"
    )
    return conv
