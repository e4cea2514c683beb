"""Linear: matrix product and bias."""

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_last_axis, check_positive
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class Linear(Module):
    """Multiply the last axis by a matrix and add a bias.

    Formula, for each row n::

        y = x Wᵀ + b            x (N, I), W (O, I), b (O,), y (N, O)

    Gradient: y_no = Σ_i x_ni W_oi + b_o, so by the chain rule::

        dx_ni = Σ_o dy_no W_oi        dx = dy W
        dW_oi = Σ_n dy_no x_ni        dW = dyᵀ x
        db_o  = Σ_n dy_no             db = Σ_n dy

    Parameters
    ----------
    in_features, out_features : int
        I and O, the lengths of the last axis of x and y.
    bias : bool
        If False, there is no b.
    init_weight : callable, optional
        ``init_weight(shape, rng=rng) -> array``, see `firstlight.nn.init`; PyTorch's default,
        uniform in ±1/√I.
    needs_dx : bool
        False for a model's first layer: backward skips dx, a third of the work, and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values; the ``init`` stream by default.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Raises
    ------
    ValueError
        Sizes that are not positive; x with another last axis than ``in_features``.
    TypeError
        x of another dtype than the weight.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer(np.ones((4, 3), "float32")).shape
    (4, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init_weight: Callable[..., Array] | None = None,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_positive(self, in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.needs_dx = needs_dx
        bound = in_features**-0.5
        if init_weight is None:
            weight = init.uniform((out_features, in_features), -bound, bound, rng=rng)
        else:
            weight = init_weight((out_features, in_features), rng=rng)
        self.weight: Parameter = Parameter(weight)
        self.bias: Parameter | None = (
            Parameter(init.uniform((out_features,), -bound, bound, rng=rng)) if bias else None
        )

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., I)
        self.save(x)
        y = x @ self.weight.data.T  # (..., O)
        if self.bias is not None:
            y = y + self.bias.data
        return y

    @accelerated
    def backward(self, dy: Array) -> Array | Any:  # dy (..., O)
        (x,) = self.saved()
        dy_rows = dy.reshape(-1, self.out_features)  # (N, O)
        x_rows = x.reshape(-1, self.in_features)  # (N, I)
        self.weight.grad += dy_rows.T @ x_rows  # (O, I)
        if self.bias is not None:
            self.bias.grad += dy_rows.sum(axis=0)  # (O,)
        return dy @ self.weight.data if self.needs_dx else None  # (..., I)

    def check_input(self, x: Array) -> None:
        check_last_axis(self, x, "in_features")

    def flops(self, x: Array, y: Array) -> int:
        return 2 * y.size * self.in_features

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"
