"""Base classes of RNN, GRU and LSTM: one step (`Cell`), and many steps (`Recurrent`).

Formula; each step computes a new state s_t, whose first part is the output h_t, from its input and
the old state::

    a_t = x_t W_ihᵀ + b_ih              W_ih (G H, I), G gates of H units
    b_t = h_{t-1} W_hhᵀ + b_hh          W_hh (G H, H)
    s_t = step(a_t, b_t, s_{t-1})       the only difference of RNN, GRU and LSTM

Gradient (backpropagation through time): unrolled, this is a deep network whose layers share their
weights. h_t is used twice, as output and by step t + 1, so its two gradients add. Backward goes
through the steps from the last to the first, each of which returns the gradient of its old state::

    ds_t                    = dy_t + gradient from step t + 1        (dy_t adds to the part h_t)
    da_t, db_t, ds_{t-1}    = step backward(ds_t)
    dh_{t-1}               += db_t W_hh                              the path through b_t
    dx_t                    = da_t W_ih
    dW_ih = Σ_t da_tᵀ x_t        dW_hh = Σ_t db_tᵀ h_{t-1}           shared, so summed over t

Only h makes a step depend on the one before. The other products, x W_ihᵀ in forward, dx and the dW
in backward, are one product for all t each, outside the loop.

Forward returns y and backward takes dy only. ``forward(x, state)`` stores the last state in
``state``; ``backward(dy, dstate)`` takes dL/d(last state), zero by default, and stores
dL/d(first state) in ``dstate``. A state is h of shape (N, H), for many steps (layers,
N, H); for LSTM it is the pair (h, c).

References
----------
Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990.
"""

from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight import fast
from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_dtype
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class Cell(Module):
    """Base class of one step; subclasses compute the new state from a and b.

    Attributes
    ----------
    gates : int
        G, the number of blocks of H rows in the weights.
    parts : int
        Number of arrays in a state.
    state, dstate : array, or tuple of arrays
        New state, set by forward; dL/d(old state), set by backward.
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    gates: int = 1
    parts: int = 1
    state: Any
    dstate: Any

    @staticmethod
    def step(a: Array, b: Array, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
        """Return the new state, a tuple, and the values that `undo` needs."""
        raise NotImplementedError

    @staticmethod
    def undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
        """Return da, db, and dL/d(old state) without the path through b."""
        raise NotImplementedError

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: Generator | None = None,
    ):
        _check_sizes(self, input_size, hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = self.gates * hidden_size
        weights = _initial_weights(rows, input_size, hidden_size, bias, rng)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = weights

    def forward(self, x: Array, state: Any = None) -> Array:  # x (N, I)
        _check_input(self, x, 2, self.weight_ih)
        old = _parts_of(self, state, x, (len(x), self.hidden_size))
        a = fast.matmul(x, self.weight_ih.data.T)  # (N, G H)
        b = fast.matmul(old[0], self.weight_hh.data.T)  # (N, G H)
        if self.bias_ih is not None:
            a += self.bias_ih.data
            b += self.bias_hh.data
        new, kept = self.step(a, b, old)
        self.save(x, old[0], kept)
        self.state = new if self.parts > 1 else new[0]
        return new[0]  # (N, H)

    def backward(self, dy: Array, dstate: Any = None) -> Array:  # dy (N, H)
        x, h, kept = self.saved()
        self.check_dy(dy, h.shape)
        dnew = list(_parts_of(self, dstate, x, h.shape))
        dnew[0] = dnew[0] + dy
        da, db, dold = self.undo(dnew, kept)  # (N, G H) twice
        fast.matmul(da.T, x, out=self.weight_ih.grad, accumulate=True)
        fast.matmul(db.T, h, out=self.weight_hh.grad, accumulate=True)
        if self.bias_ih is not None:
            self.bias_ih.grad += da.sum(axis=0)
            self.bias_hh.grad += db.sum(axis=0)
        dold = (dold[0] + fast.matmul(db, self.weight_hh.data), *dold[1:])
        self.dstate = dold if self.parts > 1 else dold[0]
        return fast.matmul(da, self.weight_ih.data)  # (N, I)

    def flops(self, x: Array, y: Array) -> int:
        return 2 * len(x) * (self.weight_ih.size + self.weight_hh.size)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias_ih is not None}"


class Recurrent(Module):
    """Base class of a cell's step repeated along a sequence, in one or more layers.

    Attributes
    ----------
    cell : type
        `Cell` that computes the step.
    state, dstate : array, or tuple of arrays
        Last state, set by forward; dL/d(first state), set by backward.
    """

    cell: type[Cell] = Cell
    state: Any
    dstate: Any

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        _check_sizes(self, input_size, hidden_size)
        if num_layers < 1:
            raise ValueError(f"{self._name}: expected num_layers of 1 or more, got {num_layers}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.parts: int = self.cell.parts
        self.needs_dx = needs_dx
        for layer in range(num_layers):
            width = hidden_size if layer else input_size
            rows = self.cell.gates * hidden_size
            weights = _initial_weights(rows, width, hidden_size, bias, rng)
            for name, weight in zip(self._names(layer), weights, strict=True):
                setattr(self, name, weight)

    def forward(self, x: Array, state: Any = None) -> Array:  # x (N, T, I)
        _check_input(self, x, 3, self.weight_ih_l0)
        first = _parts_of(self, state, x, (self.num_layers, len(x), self.hidden_size))
        y = np.asarray(x.transpose(1, 0, 2), order="C", like=x)  # (T, N, I), each step contiguous
        last = []
        for layer in range(self.num_layers):
            y, end = self._forward(layer, y, tuple(part[layer] for part in first))
            last.append(end)
        self.state = self._stacked(last)
        self.save(len(x), x.shape[1])
        return np.asarray(y.transpose(1, 0, 2), order="C", like=y)  # (N, T, H)

    def _forward(self, layer, x, state):  # x (T, N, I)
        w_ih, w_hh, b_ih, b_hh = self._weights(layer)
        a = fast.matmul(x, w_ih.data.T)  # (T, N, G H), all steps in one product
        if b_ih is not None:
            a += b_ih.data
        h = np.empty_like(a, shape=(len(x) + 1, *state[0].shape))  # (T + 1, N, H)
        h[0], kept = state[0], []
        # (H, G H)  contiguous: 1.2 times as fast for H = 256
        w_hh_t = np.asarray(w_hh.data.T, order="C", like=x)
        for t in range(len(x)):
            b = fast.matmul(h[t], w_hh_t)  # (N, G H)
            if b_hh is not None:
                b += b_hh.data
            state, to_keep = self.cell.step(a[t], b, state)
            h[t + 1] = state[0]
            kept.append(to_keep)
        self.save(x, h, kept)
        return h[1:], state

    def backward(self, dy: Array, dstate: Any = None) -> Array | Any:  # dy (N, T, H)
        n, steps = self.saved()
        self.check_dy(dy, (n, steps, self.hidden_size))
        dlast = _parts_of(self, dstate, dy, (self.num_layers, n, self.hidden_size))
        dy, dfirst = dy.transpose(1, 0, 2), []  # (T, N, H)
        for layer in reversed(range(self.num_layers)):
            dy, start = self._backward(layer, dy, tuple(part[layer] for part in dlast))
            dfirst.insert(0, start)
        self.dstate = self._stacked(dfirst)
        if dy is None:
            return None
        return np.asarray(dy.transpose(1, 0, 2), order="C", like=dy)  # (N, T, I)

    def _backward(self, layer, dy, dstate):  # dy (T, N, H)
        x, h, kept = self.saved()
        w_ih, w_hh, b_ih, b_hh = self._weights(layer)
        da, db = [None] * len(x), [None] * len(x)
        for t in reversed(range(len(x))):
            dstate = (dstate[0] + dy[t], *dstate[1:])
            da[t], db[t], dstate = self.cell.undo(dstate, kept.pop())
            dstate = (dstate[0] + fast.matmul(db[t], w_hh.data), *dstate[1:])
        same = da[0] is db[0]
        da = _joined(da)  # (T N, G H), all steps in one product again
        db = da if same else _joined(db)
        fast.matmul(da.T, x.reshape(len(da), x.shape[2]), out=w_ih.grad, accumulate=True)
        fast.matmul(db.T, h[:-1].reshape(len(db), h.shape[2]), out=w_hh.grad, accumulate=True)
        if b_ih is not None:
            b_ih.grad += da.sum(axis=0)
            b_hh.grad += db.sum(axis=0)
        dx = fast.matmul(da, w_ih.data).reshape(x.shape) if layer or self.needs_dx else None
        return dx, dstate

    def _weights(self, layer):
        return [getattr(self, name) for name in self._names(layer)]

    def _names(self, layer):
        return [f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def _stacked(self, states):
        """Return the layers' states as one, each part (layers, N, H)."""
        parts = tuple(np.stack(part) for part in zip(*states, strict=True))
        return parts if self.parts > 1 else parts[0]

    def flops(self, x: Array, y: Array) -> int:
        weights = [w for layer in range(self.num_layers) for w in self._weights(layer)[:2]]
        return 2 * x.shape[0] * x.shape[1] * sum(weight.size for weight in weights)

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias_ih_l0 is not None}"
        )


def _joined(steps):
    """Stack the arrays (N, G H) of all steps to (T N, G H)."""
    if isinstance(steps[0], np.ndarray):
        return np.concatenate(steps)
    # CuPy joins more than 8 by a list of addresses from the host, which no graph can capture.
    whole = np.empty_like(steps[0], order="C", shape=(len(steps), *steps[0].shape))
    for part, step in zip(whole, steps, strict=True):
        part[...] = step
    return whole.reshape(-1, whole.shape[2])


def _check_sizes(layer, input_size, hidden_size):
    """Raise a ValueError unless both sizes are positive."""
    if input_size < 1 or hidden_size < 1:
        raise ValueError(
            f"{type(layer).__name__}: expected input_size and hidden_size of 1 or more, "
            f"got {input_size} and {hidden_size}"
        )


def _initial_weights(rows, inputs, hidden, bias, rng):
    """Return W_ih, W_hh, b_ih and b_hh, uniform in ±1/√H as in PyTorch."""
    shapes = [(rows, inputs), (rows, hidden), (rows,), (rows,)]
    bound = hidden**-0.5
    return [
        Parameter(init.uniform(shape, -bound, bound, rng=rng)) if bias or len(shape) > 1 else None
        for shape in shapes
    ]


def _check_input(layer, x, axes, weight):
    """Raise a ValueError or TypeError unless x is (N, I), or (N, T, I) with a step."""
    name, width = type(layer).__name__, layer.input_size
    if x.ndim != axes or x.shape[-1] != width or 0 in x.shape[1:]:
        layout = f"(N, {width})" if axes == 2 else f"(N, T, {width}) with T of 1 or more"
        raise ValueError(
            f"{name}: expected x of shape {layout}, got {x.shape}; the samples come first, and the "
            "last axis is input_size"
        )
    check_dtype(layer, x, weight.dtype)


def _parts_of(layer, state, like, shape):
    """Return a state, or its gradient, as a tuple of its parts; zeros for None."""
    if state is None:
        return tuple(np.zeros_like(like, shape=shape) for _ in range(layer.parts))
    parts = tuple(state) if layer.parts > 1 else (state,)
    found = [getattr(part, "shape", type(part).__name__) for part in parts]
    if found != [shape] * layer.parts:
        expected = f"a pair (h, c) of arrays of shape {shape}" if layer.parts > 1 else str(shape)
        raise ValueError(
            f"{type(layer).__name__}: expected a state of shape {expected}, got {found}; pass "
            "layer.state of an earlier forward, or leave it out for zeros"
        )
    return parts
