"""LayerWatch: what each layer puts out, and which dy arrives at it, in a step of the training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.half import is_half, single
from firstlight.support.state import children
from firstlight.support.wrapping import Wrapping, wrappable_modules

MOST = 2**13  # values of a layer's output that are looked at


@dataclass
class Seen:
    """What was seen of one layer in one step.

    Attributes
    ----------
    y : array, shape (rows, units)
        A part of the output: rows, that is samples and positions, at even distances.
    x : array or None
        The same part of the input, of a layer without parameters whose input has the same shape.
    dy_norm : float or None
        RMS of dL/dy, all of it, of a layer with parameters.
    mean, std, zeros : float
        Of y; the share of exact zeros.
    nonzero : array of bool, shape (rows, units)
    """

    y: Array
    x: Array | None = None
    dy_norm: float | None = None

    def __post_init__(self) -> None:
        flat = self.y.reshape(-1)
        self.mean: float = float(flat.sum()) / flat.size
        square = float(flat @ flat) / flat.size
        self.std: float = max(0.0, square - self.mean**2) ** 0.5
        self.nonzero: Array = self.y != 0
        self.zeros: float = (flat.size - int(np.count_nonzero(self.nonzero))) / flat.size


class LayerWatch:
    """Watch the innermost layers of a model: those without parts, or computed at once by a form.

    The layers compute as without it.

    Parameters
    ----------
    module : Module

    Attributes
    ----------
    layers : dict of str to Module
    activations : set of str
        The layers without parameters.
    seen : dict of str to Seen
        By layer, in the order in which they ran; of one that ran several times, the last time.
    is_on : bool
    """

    def __init__(self, module: Module) -> None:
        modules = wrappable_modules(module)
        known = {id(part) for _, part in modules}
        self.layers: dict[str, Module] = {
            name: part
            for name, part in modules
            if not any(id(child) in known for _, child in children(part))
        }
        self.activations: set[str] = {n for n, p in self.layers.items() if not p.parameters()}
        self.seen: dict[str, Seen] = {}
        self.is_on: bool = False
        self._wrapping = Wrapping()

    def start(self, names: Iterable[str]) -> None:
        """Wrap some of the layers."""
        self.is_on, self.seen = True, {}
        for name in names:
            part = self.layers[name]
            self._wrapping.replace(part, "forward", lambda f, n=name: self._forward(n, f))
            if name not in self.activations:
                self._wrapping.replace(part, "backward", lambda b, n=name: self._backward(n, b))

    def stop(self) -> None:
        """Unwrap the layers."""
        self.is_on = False
        self._wrapping.restore()

    def _forward(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def seen_forward(*inputs: Any, **options: Any) -> Any:
            y = forward(*inputs, **options)
            output = y[0] if isinstance(y, tuple) else y
            if is_float(output) and output.ndim > 1 and output.size:
                x = inputs[0] if inputs and name in self.activations else None
                same = is_float(x) and x.shape == output.shape
                self.seen.pop(name, None)
                self.seen[name] = Seen(sample(output), sample(x) if same else None)
            return y

        return seen_forward

    def _backward(self, name: str, backward: Callable[..., Any]) -> Callable[..., Any]:
        def seen_backward(*inputs: Any, **options: Any) -> Any:
            dy = inputs[0] if inputs else None
            if is_float(dy) and name in self.seen:
                self.seen[name].dy_norm = root_mean_square(dy)
            return backward(*inputs, **options)

        return seen_backward


def sample(y: Array) -> Array:
    """Return a part of an array as (rows, units) on the host: about `MOST` values.

    A unit is an index of the last axis; rows are taken at even distances.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.callbacks._shared.layer_watch import sample
    >>> sample(np.zeros((2048, 8, 8, 4))).shape
    (2048, 4)
    """
    step = -(-y.size // MOST)
    first = min(step, max(1, len(y) // 2))  # whole samples first: a view, whatever the layout
    rows = y[::first].reshape(-1, y.shape[-1])
    return np.ascontiguousarray(to_host(rows[:: -(-rows.size // MOST)]))


def is_float(value: Any) -> bool:
    """Return whether a value is an array of floating-point numbers."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" or is_half(value)


def root_mean_square(array: Array) -> float:
    """Return the root of the mean square of an array's values."""
    flat = single(array).reshape(-1)
    return float(flat @ flat) ** 0.5 / max(1, flat.size) ** 0.5
