"""MLP: the multi-layer perceptron."""

from typing import Any

from firstlight import nn, optim
from firstlight.module import Module
from firstlight.support.array import Array

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
INITIALISERS = {
    "kaiming_normal": nn.init.kaiming_normal,
    "kaiming_uniform": nn.init.kaiming_uniform,
    "xavier_normal": nn.init.xavier_normal,
    "xavier_uniform": nn.init.xavier_uniform,
    "orthogonal": nn.init.orthogonal,
}


class MLP(Module):
    """Linear layers with activations between them, for images or flat features.

    Formula, for L hidden layers, with h₀ the flattened input::

        h_l = dropout(φ(norm(h_{l-1} W_lᵀ + b_l)))      l = 1 … L
        y   = h_L Wᵀ + b

    Gradient: that of each layer, from the last to the first; see `Sequential`.

    Parameters
    ----------
    in_features : int
        Number of values in a sample, 784 for 28 × 28 images.
    out_features : int
        Classes, or targets of a regression.
    hidden : sequence of int
        Sizes of the hidden layers; empty for a linear model.
    activation : {"relu", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh"}
        φ.
    norm : {"batch", "layer", "rms"}, optional
        Normalisation before each activation; None for a plain network.
    dropout : float
        Dropout probability of hidden values.
    init : str, optional
        Initial weights: kaiming_normal, kaiming_uniform, xavier_normal, xavier_uniform or
        orthogonal; PyTorch's default otherwise.
    task : {"classification", "regression"}
        Cross-entropy with accuracy, or mean squared error.
    lr : float
        Learning rate of Adam.
    weight_decay : float
        Weight decay of AdamW; 0 for Adam.
    label_smoothing : float
        Part of each label that is distributed over all classes; for classification only.

    Raises
    ------
    ValueError
        An unknown activation, norm, init or task; label smoothing of a regression.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import MLP
    >>> net = MLP(64, 10, hidden=(32,))
    >>> net(np.ones((5, 8, 8, 1), "float32")).shape
    (5, 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden: tuple[int, ...] = (256, 128),
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: float = 0.2,
        init: str | None = None,
        task: str = "classification",
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
    ):
        phi = choice("activation", activation, ACTIVATIONS)
        norm_layer = choice("norm", norm, NORMS) if norm else None
        init_weight = choice("init", init, INITIALISERS) if init else None
        losses = {"classification": nn.CrossEntropyLoss, "regression": nn.MSELoss}
        make_loss = choice("task", task, losses)
        if label_smoothing and task != "classification":
            raise ValueError(
                f"label_smoothing: expected 0 for task {task!r}, got {label_smoothing}"
            )
        self.loss: nn.CrossEntropyLoss | nn.MSELoss = (
            make_loss(label_smoothing=label_smoothing) if label_smoothing else make_loss()
        )
        self.lr = lr
        self.weight_decay = weight_decay
        layers, width = [], in_features
        for size in hidden:
            # The gradient of the pixels is not needed, so the first layer skips it.
            first = not layers
            layers.append(nn.Linear(width, size, init_weight=init_weight, needs_dx=not first))
            if norm_layer is not None:
                layers.append(norm_layer(size))
            layers.append(phi())
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        head = nn.Linear(width, out_features, init_weight=init_weight, needs_dx=bool(layers))
        self.body: nn.Sequential = nn.Sequential(*layers, head)

    def forward(self, x: Array) -> Array:  # x (N, ...)
        return self.body(x.reshape(len(x), -1))  # (N, I) -> (N, O)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, O)
        return self.body.backward(dy)

    def configure_optimizer(self) -> optim.Optimizer:
        return adam(self)


def adam(model: Any) -> optim.Optimizer:
    """Return AdamW with the model's ``lr`` and ``weight_decay``, or Adam if weight_decay is 0."""
    if model.weight_decay:
        return optim.AdamW(model.parameters(), lr=model.lr, weight_decay=model.weight_decay)
    return optim.Adam(model.parameters(), lr=model.lr)


def choice(name: str, value: str, choices: dict[str, Any]) -> Any:
    """Return ``choices[value]``, or raise a ValueError that lists the choices."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return choices[value]
