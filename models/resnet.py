"""ResNet: a residual network."""

from typing import Any

from firstlight import nn, optim
from firstlight.models.cnn import check_images
from firstlight.models.mlp import adam
from firstlight.module import Module
from firstlight.support.array import Array


class ResNet(Module):
    """Residual network of 6 n + 2 layers for small images.

    A 3x3 convolution, three stages of n blocks, the mean over all pixels, a linear layer::

        (H, W, C)  conv, norm, relu  (H, W, w)  n blocks  (H, W, w)
                   n blocks  (H/2, W/2, 2w)  n blocks  (H/4, W/4, 4w)  mean (4w)  linear (classes)

    Gradient: that of each layer, from the last to the first; see `Block` for the two paths.

    Parameters
    ----------
    input_shape : (int, int, int)
        H, W and C of one image, channels last.
    num_classes : int
    depth : int
        6 n + 2: 8, 14, 20, 32, 44, 56, 110 ...
    width : int
        w, the channels of the first stage.
    label_smoothing : float
        See `firstlight.nn.CrossEntropyLoss`.
    lr : float
        Learning rate.
    weight_decay : float
        Weight decay of AdamW; 0 for Adam.
    momentum : float
        If above 0, the optimizer is SGD with this momentum and L2 weight decay, as in the paper
        (lr 0.1, momentum 0.9, weight_decay 1e-4), instead of AdamW.

    Raises
    ------
    ValueError
        Another depth; images that are not (H, W, C), or smaller than 4 x 4.

    References
    ----------
    He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2,
    with its parameter-free shortcut (A).

    Examples
    --------
    >>> from firstlight.models import ResNet
    >>> sum(parameter.size for parameter in ResNet((32, 32, 3), 10, depth=20).parameters())
    269722
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        depth: int = 20,
        width: int = 16,
        label_smoothing: float = 0.0,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        momentum: float = 0.0,
    ):
        check_images("ResNet", input_shape)
        if depth < 8 or depth % 6 != 2:
            raise ValueError(
                f"ResNet: expected a depth of 6 n + 2 (8, 14, 20, 26, 32 ...), got {depth}"
            )
        if min(input_shape[:2]) < 4:
            raise ValueError(f"ResNet: expected images of 4 x 4 or more, got {input_shape}")
        self.loss: nn.CrossEntropyLoss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.lr = lr
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.stem: nn.Sequential = nn.Sequential(
            _conv3x3(input_shape[-1], width, needs_dx=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks, channels = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                before, channels = channels, width * 2**stage
                blocks.append(Block(before, channels, stride=2 if stage and index == 0 else 1))
        self.blocks: nn.Sequential = nn.Sequential(*blocks)
        self.pool: nn.GlobalAvgPool2d = nn.GlobalAvgPool2d()
        self.head: nn.Linear = nn.Linear(channels, num_classes)

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        x = self.stem(x)  # (N, H, W, w)
        x = self.blocks(x)  # (N, H/4, W/4, 4w)
        x = self.pool(x)  # (N, 4w)
        return self.head(x)  # (N, classes)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, classes)
        dx = self.head.backward(dy)  # (N, 4w)
        dx = self.pool.backward(dx)  # (N, H/4, W/4, 4w)
        dx = self.blocks.backward(dx)  # (N, H, W, w)
        return self.stem.backward(dx)

    def configure_optimizer(self) -> optim.Optimizer:
        if self.momentum:
            settings = {"momentum": self.momentum, "weight_decay": self.weight_decay}
            return optim.SGD(self.parameters(), lr=self.lr, **settings)
        return adam(self)


class Block(Module):
    """Two convolutions with a residual connection.

    Formula, with s the shortcut: x itself or, where the shape changes, every second row and
    column of x with zeros for the new channels::

        y = relu(norm(conv(relu(norm(conv(x))))) + s(x))

    Gradient: the gradients of both paths add; the shortcut adds dy at the pixels that it copied.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Stride of the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        self.stride = stride
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.conv1: nn.Conv2d = _conv3x3(in_channels, out_channels, stride)
        self.norm1: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.relu1: nn.ReLU = nn.ReLU()
        self.conv2: nn.Conv2d = _conv3x3(out_channels, out_channels)
        self.norm2: nn.BatchNorm2d = nn.BatchNorm2d(out_channels)
        self.relu2: nn.ReLU = nn.ReLU()

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        self.save(x.shape)
        y = self.norm1(self.conv1(x))  # (N, H/s, W/s, C')
        y = self.relu1(y)
        y = self.norm2(self.conv2(y))
        y[..., : self.in_channels] += x[:, :: self.stride, :: self.stride]
        return self.relu2(y)

    def backward(self, dy: Array) -> Array:  # dy (N, H/s, W/s, C')
        (shape,) = self.saved()
        dy = self.relu2.backward(dy)
        dx = self.conv2.backward(self.norm2.backward(dy))
        dx = self.relu1.backward(dx)
        dx = self.conv1.backward(self.norm1.backward(dx))  # (N, H, W, C)
        dx[:, :: self.stride, :: self.stride] += dy[..., : self.in_channels]
        return dx.reshape(shape)


def _conv3x3(in_channels, out_channels, stride=1, *, needs_dx=True):
    """Return a 3x3 convolution without bias, which the following normalisation would cancel."""
    conv = nn.Conv2d(
        in_channels, out_channels, 3, stride=stride, padding=1, bias=False, needs_dx=needs_dx
    )
    conv.weight.data[...] = nn.init.kaiming_normal(conv.weight.shape)
    return conv
