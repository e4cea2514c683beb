"""Parameter, Buffer, and Flat: the two flat arrays of all parameters of a model."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from firstlight.support.array import Array

ALIGNMENT = 64  # bytes; every window starts on a cache line, and the padding stays zero


class Parameter:
    """A trainable array and its gradient.

    ``data`` and ``grad`` are written in place, never rebound: once an optimizer exists, both are
    views of two flat arrays of the whole model (see `flatten`).

    Parameters
    ----------
    data : array
        Initial values; stored without a copy.
    torch_axes : tuple of int, optional
        Order of the axes in PyTorch's layout, if it differs.
    torch_shape : tuple of int, optional
        Shape in PyTorch's layout, if it is another than that of the axes in their order.

    Attributes
    ----------
    data, grad : array
        Values and gradient, of the same shape and dtype. Backward passes *add* to ``grad``.
    requires_grad : bool
        False for a frozen parameter, which the optimizer does not change.
    """

    def __init__(
        self,
        data: Array,
        *,
        torch_axes: tuple[int, ...] | None = None,
        torch_shape: tuple[int, ...] | None = None,
    ):
        self._data = data
        self._grad = np.zeros_like(data)  # on the same device as data
        self.requires_grad: bool = True
        self.torch_axes: tuple[int, ...] | None = torch_axes
        self.torch_shape: tuple[int, ...] | None = torch_shape
        self.flat: Flat | None = None  # the Flat that data and grad are views of, once it exists

    @property
    def data(self) -> Array:
        """The values; write into them with ``p.data[...] = values``."""
        return self._data

    @data.setter
    def data(self, value: Array) -> None:
        self._refuse_rebinding("data", value is self._data)

    @property
    def grad(self) -> Array:
        """The gradient; add to it with ``p.grad += dw``."""
        return self._grad

    @grad.setter
    def grad(self, value: Array) -> None:
        self._refuse_rebinding("grad", value is self._grad)

    def _refuse_rebinding(self, name, same):
        if not same:  # `p.grad += dw` assigns the same array again
            raise AttributeError(
                f"Parameter.{name} is a view of the model's flat array and cannot be replaced; "
                f"write into it with p.{name}[...] = values"
            )

    def bind(self, data: Array, grad: Array, flat: Flat | None = None) -> None:
        """Rebind data and grad to other arrays."""
        self._data, self._grad, self.flat = data, grad, flat

    def __array_ufunc__(self, ufunc: Any, *_: Any, **__: Any) -> NoReturn:
        """Raise a TypeError: ``x @ self.weight`` should be ``x @ self.weight.data``."""
        self._refuse_arithmetic(ufunc.__name__)

    def __array_function__(self, function: Any, *_: Any, **__: Any) -> NoReturn:
        """Raise a TypeError: NumPy's functions take ``weight.data``."""
        self._refuse_arithmetic(function.__name__)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise a TypeError on conversion to an array, which would be an array of objects."""
        self._refuse_arithmetic("array")

    def _refuse_arithmetic(self, name):
        raise TypeError(
            f"{name}: a Parameter of shape {self.shape} is not an array; compute with its values, "
            "e.g. x @ self.weight.data, and add to self.weight.grad in backward"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Exclude the flat arrays from copies and pickles; a copy has its own memory."""
        return {**vars(self), "flat": None}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._data.shape

    @property
    def size(self) -> int:
        """Number of values."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return self._data.dtype

    def __repr__(self) -> str:
        frozen = "" if self.requires_grad else ", frozen"
        return f"Parameter(shape={self.shape}, dtype={self.dtype}{frozen})"


class Buffer:
    """An array of a model's state that is not trained, e.g. a running mean.

    The arguments are those of `Parameter`.
    """

    def __init__(
        self,
        data: Array,
        *,
        torch_axes: tuple[int, ...] | None = None,
        torch_shape: tuple[int, ...] | None = None,
    ):
        self.data: Array = data
        self.torch_axes: tuple[int, ...] | None = torch_axes
        self.torch_shape: tuple[int, ...] | None = torch_shape

    def __repr__(self) -> str:
        return f"Buffer(shape={self.data.shape}, dtype={self.data.dtype})"


class Flat:
    """Two flat arrays, ``data`` and ``grad``, with an aligned view for each parameter.

    Attributes
    ----------
    data, grad : array, shape (size,)
    windows : list of (Parameter, slice)
        In the order given; the slices are disjoint and ascending.
    """

    def __init__(self, parameters: list[Parameter]):
        first = parameters[0]
        align = ALIGNMENT // first.dtype.itemsize
        self.windows: list[tuple[Parameter, slice]] = []
        end = 0
        for parameter in parameters:
            start = -(-end // align) * align
            end = start + parameter.size
            self.windows.append((parameter, slice(start, end)))
        self.data: Array = np.zeros_like(first.data, shape=(end,))
        self.grad: Array = np.zeros_like(first.data, shape=(end,))
        for parameter, window in self.windows:
            data = self.data[window].reshape(parameter.shape)
            grad = self.grad[window].reshape(parameter.shape)
            data[...], grad[...] = parameter.data, parameter.grad
            parameter.bind(data, grad, self)

    @classmethod
    def joined(cls, parts: list[Flat]) -> Flat:
        """Lay several of them out in one, of which each then holds a contiguous part."""
        whole = cls([parameter for part in parts for parameter, _ in part.windows])
        windows = iter(whole.windows)
        for part in parts:
            own = [next(windows) for _ in part.windows]
            start, stop = own[0][1].start, own[-1][1].stop
            part.data, part.grad = whole.data[start:stop], whole.grad[start:stop]
            for parameter, _ in own:
                parameter.flat = part  # the optimizer's own, which steps it
        return whole


def flatten(parameters: list[Parameter]) -> Flat:
    """Move parameters to one flat array of values and one of gradients.

    The optimizer, gradient norm, averaging and checkpoints then each use one array.

    Parameters
    ----------
    parameters : list of Parameter
        In their order in memory.

    Returns
    -------
    Flat

    Raises
    ------
    ValueError
        No parameters, a duplicate, or different dtypes.
    """
    if not parameters:
        raise ValueError("no parameters to lay out: the model has none, or all were filtered out")
    if len({id(p) for p in parameters}) < len(parameters):
        raise ValueError("a parameter is listed twice; each may be in one group only")
    if len({p.dtype for p in parameters}) > 1:
        found = sorted({str(p.dtype) for p in parameters})
        raise ValueError(
            f"parameters of one optimizer share one dtype, got {found}; call model.to(dtype=...)"
        )
    return Flat(parameters)
