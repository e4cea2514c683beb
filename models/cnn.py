"""CNN: convolutions, then linear layers."""

from typing import Any

import numpy as np

from firstlight import nn, optim
from firstlight.models.mlp import ACTIVATIONS, adam, choice
from firstlight.module import Module
from firstlight.support.array import Array

NORMS = {"batch": nn.BatchNorm2d}


class CNN(Module):
    """Classify images with convolutions and linear layers.

    The defaults, for images of MNIST's size 0.24 million parameters::

        (N, 28, 28, 1)  conv 3x3 – max-pool  (14, 14, 32)  conv 3x3 – max-pool  (7, 7, 64)
        conv 3x3 – max-pool  (3, 3, 128)  flatten  (1152)  linear (128) – dropout – linear (10)

    with normalisation and φ after each convolution, and φ after each hidden layer. After every
    ``pool_every`` convolutions, a max-pool halves height and width, followed by dropout.

    Gradient: that of each layer, from the last to the first.

    Parameters
    ----------
    input_shape : (int, int, int)
        H, W and C of one image, channels last.
    num_classes : int
    channels : sequence of int
        Channels after each convolution.
    kernel_size : int
        Height and width of each kernel.
    padding : int or "same"
        Zeros around each image; "same" preserves height and width.
    pool_every : int
        Convolutions before each max-pool; remaining ones are followed by one too.
    hidden : sequence of int
        Sizes of the hidden linear layers.
    activation : {"relu", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh"}
        φ.
    norm : {"batch"}, optional
        Normalisation between each convolution and its φ.
    dropout : float
        Dropout probability after each max-pool.
    hidden_dropout : float
        Dropout probability after each hidden layer.
    label_smoothing : float
        See `firstlight.nn.CrossEntropyLoss`.
    lr : float
        Learning rate of Adam.
    weight_decay : float
        Weight decay of AdamW; 0 for Adam.

    Raises
    ------
    ValueError
        An unknown activation or norm; images that are not (H, W, C), or too small for the
        convolutions and pools.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import CNN
    >>> net = CNN((8, 8, 1), 10, channels=(4, 8))
    >>> net(np.ones((5, 8, 8, 1), "float32")).shape
    (5, 10)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        channels: tuple[int, ...] = (32, 64, 128),
        kernel_size: int = 3,
        padding: int | str = "same",
        pool_every: int = 1,
        hidden: tuple[int, ...] = (128,),
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: float = 0.0,
        hidden_dropout: float = 0.5,
        label_smoothing: float = 0.0,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ):
        check_images("CNN", input_shape)
        phi = choice("activation", activation, ACTIVATIONS)
        norm_layer = choice("norm", norm, NORMS) if norm else None
        self.loss: nn.CrossEntropyLoss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.lr = lr
        self.weight_decay = weight_decay
        layers, width = [], input_shape[-1]
        for index, size in enumerate(channels, 1):
            # The gradient of the pixels is not needed, so the first layer skips it.
            layers.append(nn.Conv2d(width, size, kernel_size, padding=padding, needs_dx=index > 1))
            layers += [norm_layer(size), phi()] if norm_layer else [phi()]
            if index % pool_every == 0 or index == len(channels):
                layers.append(nn.MaxPool2d(2))
                layers += [nn.Dropout(dropout)] if dropout else []
            width = size
        self.features: nn.Sequential = nn.Sequential(*layers)
        self.flatten: nn.Flatten = nn.Flatten()
        width, layers = output_size("CNN", self.features, input_shape), []
        for size in hidden:
            layers += [nn.Linear(width, size), phi()]
            layers += [nn.Dropout(hidden_dropout)] if hidden_dropout else []
            width = size
        self.head: nn.Sequential = nn.Sequential(*layers, nn.Linear(width, num_classes))

    def forward(self, x: Array) -> Array:  # x (N, H, W, C)
        x = self.features(x)  # (N, H', W', C')
        x = self.flatten(x)  # (N, H'·W'·C')
        return self.head(x)  # (N, classes)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, classes)
        dx = self.head.backward(dy)  # (N, H'·W'·C')
        dx = self.flatten.backward(dx)  # (N, H', W', C')
        return self.features.backward(dx)

    def configure_optimizer(self) -> optim.Optimizer:
        return adam(self)


def check_images(who: str, input_shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless samples have the shape of images, (H, W, C)."""
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(
            f"{who}: expected images, input_shape (H, W, C), got {tuple(input_shape)}; add a "
            "channel axis with x[..., None], or use an MLP for flat features"
        )


def output_size(who: str, features: nn.Sequential, input_shape: tuple[int, ...]) -> int:
    """Return the number of output values of a stack of layers for one image.

    Raises
    ------
    ValueError
        The image is too small for the stack.
    """
    try:
        y = features.eval()(np.zeros((1, *input_shape), features[0].weight.dtype))
    except ValueError as error:
        raise ValueError(
            f"{who}: images of {input_shape[0]} x {input_shape[1]} are too small for these "
            f"convolutions and pools: {error}"
        ) from error
    features.train()
    return y.size
