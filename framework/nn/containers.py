"""Sequential and Residual: modules that contain modules."""

from collections.abc import Iterator
from typing import Any

from firstlight.module import Module
from firstlight.support.array import Array


class Sequential(Module):
    """Run layers one after the other, and their backward in reverse order.

    Formula and gradient, for layers f₁ … f_k::

        y  = f_k(… f₂(f₁(x)))
        dx = f₁'(f₂'(… f_k'(dy)))        each f' is that layer's backward

    Parameters
    ----------
    *layers : Module
        Named "0", "1", ... as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(np.ones((3, 4), "float32")).shape
    (3, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *layers: Module):
        for index, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: expected modules, got {layer!r} at position {index}; "
                    "pass layers one by one: Sequential(Linear(...), ReLU(), ...)"
                )
            setattr(self, str(index), layer)  # gives the layer its name
        self.layers = layers

    def forward(self, x: Array) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy: Any) -> Any:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        layers = self.layers[index]
        return Sequential(*layers) if isinstance(index, slice) else layers


class Residual(Module):
    """Add a module's output to its input, as in ResNets and Transformers.

    Formula::

        y = x + f(x)

    Gradient: x contributes to y on two paths, so their gradients add::

        dx = dy + f'(dy)                f' is the module's backward

    Parameters
    ----------
    body : Module
        f; must keep the shape.

    Raises
    ------
    ValueError
        f changes the shape.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2015, eq. 1.
    """

    def __init__(self, body: Module):
        self.body = body

    def forward(self, x: Array) -> Any:
        y = self.body(x)
        if y.shape != x.shape:
            raise ValueError(
                f"Residual: expected {type(self.body).__name__} to keep the shape {x.shape}, "
                f"got {y.shape}; add a projection to make the shapes agree"
            )
        return x + y

    def backward(self, dy: Any) -> Any:
        return dy + self.body.backward(dy)
