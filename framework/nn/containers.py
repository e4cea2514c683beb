"""Sequential, Residual and Concatenate: modules that contain modules."""

from collections.abc import Iterator
from typing import Any

import numpy as np

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


class Concatenate(Module):
    """Run layers on the same input, and join their outputs along the last axis.

    Formula and gradient, for layers f₁ … f_k; x contributes on k paths, so their gradients add::

        y  = [f₁(x), …, f_k(x)]
        dx = Σ_i f_i'(dy_i)             dy_i is the part of dy that belongs to f_i

    A U-Net is ``Concatenate(Identity(), Sequential(down, ..., up))`` at each of its levels: the
    first path is the skip connection.

    Parameters
    ----------
    *layers : Module
        Named "0", "1", ...; their outputs have the same shape but for the last axis.

    Raises
    ------
    TypeError
        An argument is no module, or there is none.
    ValueError
        The shapes of the outputs differ in another axis than the last.

    References
    ----------
    Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> net = nn.Concatenate(nn.Identity(), nn.Linear(3, 5))
    >>> net(np.ones((2, 3), "float32")).shape
    (2, 8)
    """

    def __init__(self, *layers: Module):
        for index, layer in enumerate(layers or [None]):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Concatenate: expected modules, got {layer!r} at position {index}; pass "
                    "layers one by one: Concatenate(Identity(), Linear(...))"
                )
            setattr(self, str(index), layer)  # gives the layer its name
        self.layers = layers

    def forward(self, x: Array) -> Any:
        outputs = [layer(x) for layer in self.layers]
        if len({y.shape[:-1] for y in outputs}) > 1:
            raise ValueError(
                f"Concatenate: expected outputs that differ in the last axis only, got shapes "
                f"{[y.shape for y in outputs]}; use a padding that keeps the size, or resize"
            )
        y = np.concatenate(outputs, axis=-1)
        self.save([part.shape[-1] for part in outputs], y.shape)
        return y

    def backward(self, dy: Any) -> Any:
        widths, shape = self.saved()
        self.check_dy(dy, shape)
        parts = np.split(dy, np.cumsum(widths)[:-1].tolist(), axis=-1)
        dx = None
        for layer, part in reversed(list(zip(self.layers, parts, strict=True))):
            dx_i = layer.backward(part)
            if dx_i is not None:
                dx = dx_i if dx is None else dx + dx_i
        return dx

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers
