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

Forward returns y and backward takes dy only. ``forward(x, state)`` stores the last state in
``state``; ``backward(dy, dstate)`` takes dL/d(last state), zero by default, and stores
dL/d(first state) in ``dstate``. A state is h of shape (N, H), for many steps (layers,
N, H); for LSTM it is the pair (h, c).

A bidirectional layer has a second set of weights, which reads the steps from the last to the first.
Both outputs of a step are concatenated, so each depends on all of x; the next layer reads both::

    y_t  = [h_t of x_1 ... x_T,  h_t of x_T ... x_1]      (N, T, 2 H)
    dx_t = the sum of both directions' dx_t, each from its half of dy

References
----------
Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990.
"""

from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn._checks import check_positive
from firstlight.nn._recurrent_checks import check_sequences, state_parts
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


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
        check_positive(self, input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = self.gates * hidden_size
        weights = _initial_weights(rows, input_size, hidden_size, bias, rng)
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = weights

    @accelerated
    def forward(self, x: Array, state: Any = None) -> Array:  # x (N, I)
        old = state_parts(self, state, x, (len(x), self.hidden_size))  # (N, H) each, h first
        a = x @ self.weight_ih.data.T  # (N, G H)
        b = old[0] @ self.weight_hh.data.T  # (N, G H)
        if self.bias_ih is not None:
            a, b = a + self.bias_ih.data, b + self.bias_hh.data
        new, kept = self.step(a, b, old)
        self.save(x, old[0], kept)
        self.state = new if self.parts > 1 else new[0]
        return new[0]  # (N, H)

    @accelerated
    def backward(self, dy: Array, dstate: Any = None) -> Array:  # dy (N, H)
        x, h, kept = self.saved()
        ds = state_parts(self, dstate, x, h.shape)  # (N, H) each
        ds = (ds[0] + dy, *ds[1:])
        da, db, ds = self.undo(ds, kept)  # (N, G H) twice
        ds = (ds[0] + db @ self.weight_hh.data, *ds[1:])  # the path through b
        self.weight_ih.grad += da.T @ x  # (G H, I)
        self.weight_hh.grad += db.T @ h  # (G H, H)
        if self.bias_ih is not None:
            self.bias_ih.grad += da.sum(axis=0)  # (G H,)
            self.bias_hh.grad += db.sum(axis=0)  # (G H,)
        self.dstate = ds if self.parts > 1 else ds[0]
        return da @ self.weight_ih.data  # (N, I)

    def check_input(self, x: Array, state: Any = None) -> None:
        check_sequences(self, x, 2, self.weight_ih.dtype)

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
    directions : int
        D, 2 if bidirectional.
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
        bidirectional: bool = False,
        needs_dx: bool = True,
        rng: Generator | None = None,
    ):
        check_positive(self, input_size=input_size, hidden_size=hidden_size)
        check_positive(self, num_layers=num_layers)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional: bool = bool(bidirectional)
        self.directions: int = 2 if bidirectional else 1
        self.parts: int = self.cell.parts
        self.needs_dx = needs_dx
        for run in range(num_layers * self.directions):
            width = input_size if run < self.directions else self.directions * hidden_size
            rows = self.cell.gates * hidden_size
            weights = _initial_weights(rows, width, hidden_size, bias, rng)
            for name, weight in zip(self._names(run), weights, strict=True):
                setattr(self, name, weight)

    @accelerated
    def forward(self, x: Array, state: Any = None) -> Array:  # x (N, T, I)
        first = state_parts(self, state, x, self.state_shape(len(x)))
        y, last = x, []
        for runs in self.runs():
            outputs = []
            for run in runs:
                h, s = self._forward(run, self.turned(run, y), tuple(part[run] for part in first))
                outputs.append(self.turned(run, h))  # (N, T, H)
                last.append(s)
            y = np.concatenate(outputs, axis=2)  # (N, T, D H), D directions
        self.state = self.stacked(last)
        return y

    def _forward(self, run, x, s):  # x (N, T, I), s: h and the other parts, each (N, H)
        w_ih, w_hh, b_ih, b_hh = self.weights(run)
        h, kept = [s[0]], []
        for t in range(x.shape[1]):
            a = x[:, t] @ w_ih.data.T  # (N, G H)
            b = h[t] @ w_hh.data.T  # (N, G H)
            if b_ih is not None:
                a, b = a + b_ih.data, b + b_hh.data
            s, values = self.cell.step(a, b, s)
            h.append(s[0])
            kept.append(values)
        self.save(x, h, kept)
        return np.stack(h[1:], axis=1), s  # (N, T, H)

    @accelerated
    def backward(self, dy: Array, dstate: Any = None) -> Array | Any:  # dy (N, T, D H)
        dlast = state_parts(self, dstate, dy, self.state_shape(len(dy)))
        dfirst = []
        for runs in reversed(self.runs()):
            dx = None
            for run, dh in reversed(list(zip(runs, np.split(dy, len(runs), axis=2), strict=True))):
                given = self.turned(run, dh), tuple(part[run] for part in dlast)
                part_dx, ds = self._backward(run, *given)
                dfirst.insert(0, ds)
                if part_dx is not None:
                    part_dx = self.turned(run, part_dx)  # (N, T, I)
                    dx = part_dx if dx is None else dx + part_dx  # x is read in both directions
            dy = dx
        self.dstate = self.stacked(dfirst)
        return dy  # (N, T, I), the dx of the first layer

    def _backward(self, run, dy, ds):  # dy (N, T, H), ds like s
        x, h, kept = self.saved()
        w_ih, w_hh, b_ih, b_hh = self.weights(run)
        dx = np.empty_like(x) if self.run_needs_dx(run) else None  # (N, T, I)
        for t in reversed(range(x.shape[1])):
            ds = (ds[0] + dy[:, t], *ds[1:])  # h_t is an output, and the input of step t + 1
            da, db, ds = self.cell.undo(ds, kept[t])  # (N, G H) twice
            ds = (ds[0] + db @ w_hh.data, *ds[1:])  # the path through b
            if dx is not None:
                dx[:, t] = da @ w_ih.data  # (N, I)
            w_ih.grad += da.T @ x[:, t]  # (G H, I)
            w_hh.grad += db.T @ h[t]  # (G H, H)
            if b_ih is not None:
                b_ih.grad += da.sum(axis=0)  # (G H,)
                b_hh.grad += db.sum(axis=0)  # (G H,)
        return dx, ds

    def check_input(self, x: Array, state: Any = None) -> None:
        check_sequences(self, x, 3, self.weight_ih_l0.dtype)

    def runs(self) -> list[list[int]]:
        """Return the runs along the sequence by layer: the forward one, then the reverse one."""
        d = self.directions
        return [list(range(d * layer, d * layer + d)) for layer in range(self.num_layers)]

    def turned(self, run: int, x: Array, axis: int = 1) -> Array:
        """Return x with its steps in the order in which a run reads them, or the inverse."""
        return np.flip(x, axis) if run % self.directions else x

    def run_needs_dx(self, run: int) -> bool:
        """Return True unless a run reads the input x and ``needs_dx`` is False."""
        return self.needs_dx or run >= self.directions

    def state_shape(self, samples: int) -> tuple[int, int, int]:
        """Return the shape of a part of the state, (layers · directions, N, H)."""
        return self.num_layers * self.directions, samples, self.hidden_size

    def weights(self, run: int) -> list[Any]:
        """Return W_ih, W_hh, b_ih and b_hh of a run; None for a bias that is missing."""
        return [getattr(self, name) for name in self._names(run)]

    def _names(self, run):
        layer, reverse = divmod(run, self.directions)
        end = f"_l{layer}" + "_reverse" * reverse
        return [name + end for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def stacked(self, states: list[tuple[Array, ...]]) -> Any:
        """Return the states of all runs as one, each part (layers · directions, N, H)."""
        parts = tuple(np.stack(part) for part in zip(*states, strict=True))
        return parts if self.parts > 1 else parts[0]

    def flops(self, x: Array, y: Array) -> int:
        weights = [w for runs in self.runs() for run in runs for w in self.weights(run)[:2]]
        return 2 * x.shape[0] * x.shape[1] * sum(weight.size for weight in weights)

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"bias={self.bias_ih_l0 is not None}"
        ) + ", bidirectional=True" * self.bidirectional


def _initial_weights(rows, inputs, hidden, bias, rng):
    """Return W_ih, W_hh, b_ih and b_hh, uniform in ±1/√H as in PyTorch."""
    shapes = [(rows, inputs), (rows, hidden), (rows,), (rows,)]
    bound = hidden**-0.5
    return [
        Parameter(init.uniform(shape, -bound, bound, rng=rng)) if bias or len(shape) > 1 else None
        for shape in shapes
    ]
