"""RNN: a recurrent network for sequences, or for images row by row."""

import math
from typing import Any

import numpy as np

from firstlight import nn, optim
from firstlight.models.mlp import choice
from firstlight.module import Module
from firstlight.support.array import Array

KINDS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RNN(Module):
    """Classify a sequence, or an image row by row, by the last hidden state, or predict values.

    Formula; an image (H, W, C) is a sequence of H rows of W C numbers::

        h_t = recurrent(x_t, h_{t-1})        t = 1 … T
        y   = h_T Wᵀ + b

    Gradient: y depends on h_T only, so dL/dh_t = 0 for earlier outputs; the recurrent layer
    propagates dL/dh_T through time.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of one sample: (T, I) for sequences, (H, W, C) for images.
    num_classes : int
        Classes, or targets of a regression.
    kind : {"lstm", "gru", "rnn"}
        The recurrent layer.
    hidden : int
        Hidden units.
    num_layers : int
        Number of recurrent layers.
    task : {"classification", "regression"}
        Cross-entropy with accuracy, or mean squared error.
    lr : float
        Learning rate of Adam.

    Raises
    ------
    ValueError
        An unknown kind or task; samples without a second axis, or of another shape.

    References
    ----------
    Le et al., "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015,
    section 4.2, reads MNIST pixel by pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models import RNN
    >>> net = RNN((8, 8, 1), 10, kind="gru", hidden=32)
    >>> net(np.ones((5, 8, 8, 1), "float32")).shape
    (5, 10)
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        *,
        kind: str = "lstm",
        hidden: int = 128,
        num_layers: int = 1,
        task: str = "classification",
        lr: float = 3e-3,
    ):
        if len(input_shape) < 2:
            raise ValueError(
                "RNN: expected input_shape (T, I) or (H, W, C), steps by features, "
                f"got {tuple(input_shape)}; for flat features use an MLP"
            )
        layer = choice("kind", kind, KINDS)
        self.input_shape: tuple[int, ...] = tuple(input_shape)
        self.lr = lr
        # The gradient of the pixels is not needed, so the first layer skips it.
        width = math.prod(input_shape[1:])
        self.recurrent: nn.RNN | nn.GRU | nn.LSTM = layer(width, hidden, num_layers, needs_dx=False)
        self.head: nn.Linear = nn.Linear(hidden, num_classes)
        losses = {"classification": nn.CrossEntropyLoss, "regression": nn.MSELoss}
        self.loss: nn.CrossEntropyLoss | nn.MSELoss = choice("task", task, losses)()

    def forward(self, x: Array) -> Array:  # x (N, T, ...)
        if x.shape[1:] != self.input_shape:
            raise ValueError(
                f"RNN: expected x of shape (N, {', '.join(map(str, self.input_shape))}), "
                f"got {x.shape}"
            )
        h = self.recurrent(x.reshape(*x.shape[:2], -1))  # (N, T, I) -> (N, T, H)
        self.save(h.shape)
        return self.head(h[:, -1])  # (N, classes or targets)

    def backward(self, dy: Array) -> Array | Any:  # dy (N, classes)
        (shape,) = self.saved()
        dh = np.zeros_like(dy, shape=shape)  # (N, T, H)
        dh[:, -1] = self.head.backward(dy)
        return self.recurrent.backward(dh)

    def configure_optimizer(self) -> optim.Optimizer:
        return optim.Adam(self.parameters(), lr=self.lr)
