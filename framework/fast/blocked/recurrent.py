"""Recurrent layers with one product for all steps, where no step depends on the one before.

Only h makes a step depend on the one before. The other products, x W_ihᵀ in forward, dx and the dW
in backward, are one product for all t each, outside the loop.
"""

from typing import Any

import numpy as np

from firstlight.fast.blocked.cells import step_and_undo
from firstlight.fast.conditions import numpy_float32
from firstlight.nn._recurrent_checks import state_parts
from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Cell, when=[numpy_float32])
class BlockedCell:
    """Compute the gates in fewer passes."""

    def forward(self, layer: Cell, x: Array, state: Any = None) -> Array:  # x (N, I)
        old = state_parts(layer, state, x, (len(x), layer.hidden_size))
        a = self.multiply(x, layer.weight_ih.data.T)  # (N, G H)
        b = self.multiply(old[0], layer.weight_hh.data.T)  # (N, G H)
        if layer.bias_ih is not None:
            a += layer.bias_ih.data
            b += layer.bias_hh.data
        step, _ = step_and_undo(layer)
        new, kept = step(a, b, old)
        layer.save(x, old[0], kept)
        layer.state = new if layer.parts > 1 else new[0]
        return new[0]  # (N, H)

    def backward(self, layer: Cell, dy: Array, dstate: Any = None) -> Array:  # dy (N, H)
        x, h, kept = layer.saved()
        dnew = list(state_parts(layer, dstate, x, h.shape))
        dnew[0] = dnew[0] + dy
        _, undo = step_and_undo(layer)
        da, db, dold = undo(dnew, kept)  # (N, G H) twice
        self.add_product(da.T, x, layer.weight_ih.grad)
        self.add_product(db.T, h, layer.weight_hh.grad)
        if layer.bias_ih is not None:
            layer.bias_ih.grad += da.sum(axis=0)
            layer.bias_hh.grad += db.sum(axis=0)
        dold = (dold[0] + self.multiply(db, layer.weight_hh.data), *dold[1:])
        layer.dstate = dold if layer.parts > 1 else dold[0]
        return self.multiply(da, layer.weight_ih.data)  # (N, I)

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        """Return a b."""
        return a @ b

    @staticmethod
    def add_product(a: Array, b: Array, out: Array) -> None:
        """Add a b to ``out``."""
        out += a @ b


@form(Recurrent, when=[numpy_float32])
class BlockedRecurrent:
    """Lay the steps out one after the other, and multiply all at once."""

    def forward(self, layer: Recurrent, x: Array, state: Any = None) -> Array:  # x (N, T, I)
        first = state_parts(layer, state, x, layer.state_shape(len(x)))
        y = np.asarray(x.transpose(1, 0, 2), order="C", like=x)  # (T, N, I), contiguous steps
        last = []
        for runs in layer.runs():
            outputs = []
            for run in runs:
                steps = self.turned(layer, run, y)
                h, end = self._forward(layer, run, steps, tuple(part[run] for part in first))
                outputs.append(layer.turned(run, h, 0))  # (T, N, H)
                last.append(end)
            y = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)
        layer.state = layer.stacked(last)
        return np.asarray(y.transpose(1, 0, 2), order="C", like=y)  # (N, T, D H)

    def _forward(self, layer, run, x, state):  # x (T, N, I)
        w_ih, w_hh, b_ih, b_hh = layer.weights(run)
        step, _ = step_and_undo(layer.cell)
        a = self.multiply(x, w_ih.data.T)  # (T, N, G H), all steps in one product
        if b_ih is not None:
            a += b_ih.data
        h = np.empty_like(a, shape=(len(x) + 1, *state[0].shape))  # (T + 1, N, H)
        h[0], kept = state[0], []
        # (H, G H)  contiguous: 1.2 times as fast for H = 256
        w_hh_t = np.asarray(w_hh.data.T, order="C", like=x)
        for t in range(len(x)):
            b = self.multiply(h[t], w_hh_t)  # (N, G H)
            if b_hh is not None:
                b += b_hh.data
            state, to_keep = step(a[t], b, state)
            h[t + 1] = state[0]
            kept.append(to_keep)
        layer.save(x, h, kept)
        return h[1:], state

    def backward(
        self, layer: Recurrent, dy: Array, dstate: Any = None
    ) -> Array | Any:  # dy (N, T, D H)
        dlast = state_parts(layer, dstate, dy, layer.state_shape(len(dy)))
        dy, dfirst = dy.transpose(1, 0, 2), []  # (T, N, D H)
        for runs in reversed(layer.runs()):
            dx = None
            for run, dh in reversed(list(zip(runs, np.split(dy, len(runs), axis=2), strict=True))):
                given = self.turned(layer, run, dh), tuple(part[run] for part in dlast)
                part_dx, start = self._backward(layer, run, *given)
                dfirst.insert(0, start)
                if part_dx is not None:
                    part_dx = layer.turned(run, part_dx, 0)  # (T, N, I)
                    dx = part_dx if dx is None else dx + part_dx
            dy = dx
        layer.dstate = layer.stacked(dfirst)
        if dy is None:
            return None
        return np.asarray(dy.transpose(1, 0, 2), order="C", like=dy)  # (N, T, I)

    @staticmethod
    def turned(layer: Recurrent, run: int, x: Array) -> Array:
        """Return the steps x (T, N, ...) in the order of a run; a copy if it is the reverse."""
        y = layer.turned(run, x, 0)
        return y if y is x else np.asarray(y, order="C", like=x)

    def _backward(self, layer, run, dy, dstate):  # dy (T, N, H)
        x, h, kept = layer.saved()
        w_ih, w_hh, b_ih, b_hh = layer.weights(run)
        _, undo = step_and_undo(layer.cell)
        da, db = [None] * len(x), [None] * len(x)
        for t in reversed(range(len(x))):
            dstate = (dstate[0] + dy[t], *dstate[1:])
            da[t], db[t], dstate = undo(dstate, kept.pop())
            dstate = (dstate[0] + self.multiply(db[t], w_hh.data), *dstate[1:])
        same = da[0] is db[0]
        da = self.join(da)  # (T N, G H), all steps in one product again
        db = da if same else self.join(db)
        self.add_product(da.T, x.reshape(len(da), x.shape[2]), w_ih.grad)
        self.add_product(db.T, h[:-1].reshape(len(db), h.shape[2]), w_hh.grad)
        if b_ih is not None:
            b_ih.grad += da.sum(axis=0)
            b_hh.grad += db.sum(axis=0)
        if not layer.run_needs_dx(run):
            return None, dstate
        return self.multiply(da, w_ih.data).reshape(x.shape), dstate

    multiply = staticmethod(BlockedCell.multiply)
    add_product = staticmethod(BlockedCell.add_product)

    @staticmethod
    def join(steps: list[Array]) -> Array:
        """Stack the arrays (N, G H) of all steps to (T N, G H)."""
        return np.concatenate(steps)
