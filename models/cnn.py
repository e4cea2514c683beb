"""CNN: convolutions that find features, and linear layers that judge them."""

from firstlight import nn, optim
from firstlight.models.mlp import ACTIVATIONS, choice
from firstlight.module import Module

POOLINGS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class CNN(Module):
    """Stack of convolutions and poolings, then an MLP on what is left of the image.

    Formula, with h₀ the image and φ the activation::

        h_l = φ(norm(conv_l(h_{l-1})))        every ``pool_every``-th one: dropout(pool(...))
        z   = dropout(φ(W flatten(h) + b))    for each hidden layer
        y   = W z + b

    The defaults make, on 28 × 28 images, the network of PyTorch's MNIST example: 1.2 million
    parameters, nearly all of them between the last feature map and the hidden layer.

    Gradient: each layer's own, from the last to the first.

    Parameters
    ----------
    input_shape : (int, int, int)
        Height, width and channels of one image.
    num_classes : int
    channels : sequence of int
        Feature maps of each convolution.
    kernel_sizes : sequence of int
        One for each convolution, or a single one for all.
    padding : {"valid", "same"}
        Whether a convolution cuts the edge off or puts zeros around it.
    pool : {"max", "avg"}, optional
        2 × 2 pooling; None for none.
    pool_every : int
        A pooling after every so many convolutions.
    hidden : sequence of int
        Sizes of the hidden linear layers.
    activation : {"relu", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh"}
        φ.
    norm : {"batch"}, optional
        Normalisation after each convolution; None for a plain network.
    conv_dropout, dropout : float
        Share of values set to zero in training, after each pooling and each hidden layer.
    lr : float
        Learning rate of Adam.
    weight_decay : float
        Decay of AdamW; 0 is plain Adam.

    Raises
    ------
    ValueError
        Images that are not (height, width, channels) or too small, an unknown padding, pool,
        activation or norm, kernel sizes that do not go with the channels.

    References
    ----------
    https://github.com/pytorch/examples/tree/main/mnist

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import CNN
    >>> net = CNN((28, 28, 1), 10)
    >>> net(np.ones((5, 28, 28, 1), "float32")).shape
    (5, 10)
    >>> sum(parameter.size for parameter in net.parameters())
    1199882
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        channels: tuple[int, ...] = (32, 64),
        kernel_sizes: tuple[int, ...] = (3,),
        padding: str = "valid",
        pool: str | None = "max",
        pool_every: int = 2,
        hidden: tuple[int, ...] = (128,),
        activation: str = "relu",
        norm: str | None = None,
        conv_dropout: float = 0.25,
        dropout: float = 0.5,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
    ):
        height, width, depth = image_shape("CNN", input_shape)
        phi = choice("activation", activation, ACTIVATIONS)
        choice("padding", padding, {"valid": 0, "same": 0})
        pooling = choice("pool", pool, POOLINGS) if pool else None
        norm_layer = choice("norm", norm, {"batch": nn.BatchNorm2d}) if norm else None
        if pool_every < 1:
            raise ValueError(f"CNN: expected pool_every of 1 or more, got {pool_every}")
        self.lr, self.weight_decay = lr, weight_decay
        layers = []
        for index, size in enumerate(kernel_sizes_for(channels, kernel_sizes)):
            # Nobody uses the gradient of the pixels, so the first layer need not compute it.
            layers.append(
                nn.Conv2d(depth, channels[index], size, padding=padding, needs_dx=index > 0)
            )
            depth = channels[index]
            if padding == "valid":
                height, width = height - size + 1, width - size + 1
            if norm_layer is not None:
                layers.append(norm_layer(depth))
            layers.append(phi())
            if pooling is not None and (index + 1) % pool_every == 0:
                layers.append(pooling(2))
                height, width = height // 2, width // 2
                if conv_dropout:
                    layers.append(nn.Dropout(conv_dropout))
            if min(height, width) < 1:
                raise ValueError(
                    f"CNN: images of {input_shape[0]} × {input_shape[1]} are used up after "
                    f"{index + 1} convolutions; use fewer or smaller ones, or padding='same'"
                )
        self.features = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        layers, size = [], height * width * depth
        for wide in hidden:
            layers += [nn.Linear(size, wide), phi()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            size = wide
        self.head = nn.Sequential(*layers, nn.Linear(size, num_classes))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, H, W, C)
        h = self.features(x)  # (N, h, w, c)
        h = self.flatten(h)  # (N, h·w·c)
        return self.head(h)  # (N, classes)

    def backward(self, dy):  # dy (N, classes)
        dh = self.head.backward(dy)  # (N, h·w·c)
        dh = self.flatten.backward(dh)  # (N, h, w, c)
        return self.features.backward(dh)  # None: the first layer skips it

    def configure_optimizer(self):
        if self.weight_decay:
            return optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        return optim.Adam(self.parameters(), lr=self.lr)


def image_shape(who, input_shape):
    """Return (height, width, channels), or raise a ValueError if it is none."""
    shape = tuple(input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            f"{who}: expected images, input_shape (height, width, channels), got {shape}; "
            "use another model, e.g. mlp, for data that are no images"
        )
    return shape


def kernel_sizes_for(channels, kernel_sizes):
    """Return one kernel size for each convolution, or raise a ValueError."""
    if len(kernel_sizes) == 1:
        return tuple(kernel_sizes) * len(channels)
    if not channels or len(kernel_sizes) != len(channels):
        raise ValueError(
            f"CNN: expected one kernel size for all convolutions or one for each of channels="
            f"{tuple(channels)}, got kernel_sizes={tuple(kernel_sizes)}"
        )
    return tuple(kernel_sizes)
