"""LeNet5: a convolutional network for character recognition."""

from typing import Any

from firstlight import nn, optim
from firstlight.models.cnn import check_images, output_size
from firstlight.models.mlp import adam
from firstlight.module import Module
from firstlight.support.array import Array


class LeNet5(Module):
    """Recognise characters with two convolutions and three linear layers.

    For 28 x 28 images, padded to 32 x 32 as in the paper::

        (28, 28, 1)  conv 5x5, tanh  (28, 28, 6)  average-pool  (14, 14, 6)
                     conv 5x5, tanh  (10, 10, 16)  average-pool  (5, 5, 16)
        flatten (400)  linear, tanh (120)  linear, tanh (84)  linear (10)

    As in most implementations today, every map of the second convolution is connected to all maps
    of the first, pools have no weights, and the last layer is linear with cross-entropy.

    Gradient: that of each layer, from the last to the first.

    Parameters
    ----------
    input_shape : (int, int, int)
        H, W and C of one image, channels last.
    num_classes : int
    lr : float
        Learning rate of Adam.
    weight_decay : float
        Weight decay of AdamW; 0 for Adam.

    Raises
    ------
    ValueError
        Images that are not (H, W, C), or smaller than 12 x 12.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    1998, figure 2.

    Examples
    --------
    >>> from firstlight.models import LeNet5
    >>> sum(parameter.size for parameter in LeNet5((28, 28, 1), 10).parameters())
    61706
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ):
        check_images("LeNet5", input_shape)
        self.loss: nn.CrossEntropyLoss = nn.CrossEntropyLoss()
        self.lr = lr
        self.weight_decay = weight_decay
        self.features: nn.Sequential = nn.Sequential(
            nn.Conv2d(input_shape[-1], 6, 5, padding=2, needs_dx=False),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.flatten: nn.Flatten = nn.Flatten()
        width = output_size("LeNet5", self.features, input_shape)
        self.head: nn.Sequential = nn.Sequential(
            nn.Linear(width, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        x = self.features(x)  # (N, H', W', 16)
        x = self.flatten(x)  # (N, H'·W'·16)
        return self.head(x)  # (N, classes)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, classes)
        dx = self.head.backward(dy)  # (N, H'·W'·16)
        dx = self.flatten.backward(dx)  # (N, H', W', 16)
        return self.features.backward(dx)

    def configure_optimizer(self) -> optim.Optimizer:
        return adam(self)
