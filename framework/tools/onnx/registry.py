"""Converters of layers and of NumPy functions, by class and by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from firstlight.module import Module

C = TypeVar("C", bound=Callable[..., Any])

_layers: dict[type, Callable[..., Any]] = {}
_functions: dict[str, Callable[..., Any]] = {}


def converter(*kinds: type[Module]) -> Callable[[C], C]:
    """Decorate a function that writes a layer as ONNX nodes; it applies to users' layers too.

    It is called as ``function(graph, layer, x)``, with the other inputs of the layer's forward
    after x, as values of `firstlight.tools.onnx.graph.Value`, and returns the output's value.

    Parameters
    ----------
    *kinds : type
        Classes of layers. A subclass that overrides ``forward`` is traced instead.

    Examples
    --------
    >>> import numpy as np
    >>> import firstlight as fl
    >>> from firstlight.tools.onnx import converter
    >>> class Sine(fl.Module):
    ...     def forward(self, x):
    ...         return np.sin(x)
    >>> @converter(Sine)
    ... def sine(graph, layer, x):
    ...     return graph.unary("Sin", x)
    """

    def register(function: C) -> C:
        _layers.update(dict.fromkeys(kinds, function))
        return function

    return register


def writes(*names: str) -> Callable[[C], C]:
    """Decorate a function that writes a NumPy function as ONNX nodes.

    It is called as the NumPy function, with the graph before the arguments and values in place of
    arrays.
    """

    def register(function: C) -> C:
        _functions.update(dict.fromkeys(names, function))
        return function

    return register


def layer_converter(layer: Module) -> Callable[..., Any] | None:
    """Return the converter of a layer's class, or None."""
    kind = type(layer)
    found = next((one for one in kind.__mro__ if one in _layers), None)
    if found is None or kind.forward is not found.forward:
        return None
    return _layers[found]


def function_converter(name: str) -> Callable[..., Any] | None:
    """Return the converter of a NumPy function, or None."""
    return _functions.get(name)


def converted_layers() -> list[type]:
    """Return the classes that have a converter."""
    return list(_layers)
