"""Recurrent layers on a GPU: products by cuBLAS, and the rest of each time step in one kernel.

A time step is two launches forward and two backward; the other products are one each for all steps.
A cell with a step of its own runs it as it is.
"""

from typing import Any

import numpy as np

from firstlight.fast.blocked.recurrent import BlockedCell, BlockedRecurrent
from firstlight.fast.conditions import gpu_float
from firstlight.fast.cuda.cupy_ops import add_column_sums
from firstlight.fast.cuda.gemm import matmul, rounded
from firstlight.fast.cuda.time_steps import TimeSteps, steps_of
from firstlight.nn._recurrent_checks import state_parts
from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Cell, when=[gpu_float])
class CudaCell(BlockedCell):
    """Compute the gates in one kernel, forward and backward."""

    def forward(self, layer: Cell, x: Array, state: Any = None) -> Array:  # x (N, I)
        kind = steps_of(layer)
        if kind is None:
            return super().forward(layer, x, state)
        old = state_parts(layer, state, x, (len(x), layer.hidden_size))
        steps = forward(kind, x[None], _weights(layer), old)
        layer.save(x, steps)
        new = tuple(part[1] for part in steps.states)
        layer.state = new if layer.parts > 1 else new[0]
        return new[0]  # (N, H)

    def backward(self, layer: Cell, dy: Array, dstate: Any = None) -> Array:  # dy (N, H)
        if steps_of(layer) is None:
            return super().backward(layer, dy, dstate)
        x, steps = layer.saved()
        dlast = state_parts(layer, dstate, x, dy.shape)
        dx, dold = backward(steps, x[None], dy[None], dlast, _weights(layer), needs_dx=True)
        layer.dstate = dold if layer.parts > 1 else dold[0]
        return dx[0]  # (N, I)

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        return matmul(a, b)

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        matmul(a, b, out=out, accumulate=True)


@form(Recurrent, when=[gpu_float])
class CudaRecurrent(BlockedRecurrent):
    """Compute the gates of a time step in one kernel, forward and backward."""

    multiply = staticmethod(CudaCell.multiply)
    add_product = staticmethod(CudaCell.add_product)

    def _forward(self, layer, run, x, state):  # x (T, N, I)
        kind = steps_of(layer.cell)
        if kind is None:
            return super()._forward(layer, run, x, state)
        steps = forward(kind, x, layer.weights(run), state)
        layer.save(x, steps)
        return steps.states[0][1:], tuple(part[-1] for part in steps.states)

    def _backward(self, layer, run, dy, dstate):  # dy (T, N, H)
        if steps_of(layer.cell) is None:
            return super()._backward(layer, run, dy, dstate)
        x, steps = layer.saved()
        needs_dx = layer.run_needs_dx(run)
        return backward(steps, x, dy, dstate, layer.weights(run), needs_dx=needs_dx)

    @staticmethod
    def join(steps: list[Array]) -> Array:
        # CuPy joins more than 8 by a list of addresses from the host, which no graph can capture.
        whole = np.empty_like(steps[0], order="C", shape=(len(steps), *steps[0].shape))
        for part, step in zip(whole, steps, strict=True):
            part[...] = step
        return whole.reshape(-1, whole.shape[2])


def forward(
    kind: type[TimeSteps], x: Array, weights: list[Any], state: tuple[Array, ...]
) -> TimeSteps:
    """Return all time steps of x (T, N, I); weights are W_ih, W_hh, b_ih and b_hh."""
    w_ih, w_hh, *biases = weights
    return kind(matmul(x, w_ih.data.T), w_hh, tuple(biases), state)


def backward(
    steps: TimeSteps,
    x: Array,
    dy: Array,
    dlast: tuple[Array, ...],
    weights: list[Any],
    *,
    needs_dx: bool,
) -> tuple[Array | None, tuple[Array, ...]]:
    """Return dx (T, N, I) or None, and the gradients of the first state."""
    w_ih, w_hh, b_ih, b_hh = weights
    if dy.shape[2] > 1 and dy.strides[2] != dy.itemsize:
        dy = dy.copy(order="C")
    da, db, dfirst = steps.undo(dy, dlast)
    x_rows, h_rows, da_rows, db_rows = (
        z.reshape(-1, z.shape[2]) for z in (x, steps.states[0][:-1], da, db)
    )
    if b_ih is not None:
        add_column_sums(da_rows, b_ih.grad)
        add_column_sums(db_rows, b_hh.grad)
    same, da_rows = da is db, rounded(da_rows)
    db_rows = da_rows if same else rounded(db_rows)
    matmul(da_rows.T, x_rows, out=w_ih.grad, accumulate=True)  # (G H, I)
    matmul(db_rows.T, h_rows, out=w_hh.grad, accumulate=True)  # (G H, H)
    return matmul(da_rows, w_ih.data).reshape(x.shape) if needs_dx else None, dfirst


def _weights(cell):
    return [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
