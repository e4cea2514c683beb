"""Linear: matrix product and bias."""

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from firstlight import fast
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype
from firstlight.parameter import Parameter
from firstlight.support.array import Array


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
        if in_features < 1 or out_features < 1:
            raise ValueError(
                "Linear: expected in_features and out_features of 1 or more, "
                f"got {in_features} and {out_features}"
            )
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

    def forward(self, x: Array) -> Array:  # x (..., I)
        self._check(x)
        self.save(x)
        y = fast.matmul(x.reshape(-1, self.in_features), self.weight.data.T)  # (N, O)
        if self.bias is not None:
            y += self.bias.data
        return y.reshape(*x.shape[:-1], self.out_features)  # (..., O)

    def backward(self, dy: Array) -> Array | Any:  # dy (..., O)
        (x,) = self.saved()
        self.check_dy(dy, (*x.shape[:-1], self.out_features))
        rows = dy.reshape(-1, self.out_features)  # (N, O)
        x_rows = x.reshape(-1, self.in_features)  # (N, I)
        fast.matmul(rows.T, x_rows, out=self.weight.grad, accumulate=True)  # (O, I)
        if self.bias is not None:
            self.bias.grad += fast.channel_sums(rows)  # (O,)
        if not self.needs_dx:
            return None
        return fast.matmul(rows, self.weight.data).reshape(x.shape)  # (..., I)

    def _check(self, x):
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            cure = (
                f"flatten first, e.g. Sequential(Flatten(), Linear({self.in_features}, ...))"
                if x.ndim > 2
                else f"build it as Linear({x.shape[-1] if x.ndim else 1}, {self.out_features})"
            )
            raise ValueError(
                f"Linear: expected x with last axis {self.in_features} (in_features), "
                f"got shape {x.shape}; {cure}"
            )
        check_dtype(self, x, self.weight.dtype)

    def flops(self, x: Array, y: Array) -> int:
        return 2 * y.size * self.in_features

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"
