"""Time steps of RNN, LSTM and GRU on a GPU: a product and a kernel each, forward and backward.

The other products are not here: those of the inputs and of the weights' gradients are one each for
all steps.
"""

from typing import Any

import numpy as np

from firstlight.fast.cuda.gemm import matmul, rounded
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.nn.gru import GRUCell
from firstlight.nn.lstm import LSTMCell
from firstlight.nn.recurrent import Cell
from firstlight.nn.rnn import RNNCell
from firstlight.parameter import Parameter
from firstlight.support.array import Array


class TimeSteps:
    """The arrays of all steps of a layer; base of the three cells.

    Parameters
    ----------
    a : array, shape (T, N, G H)
        x W_ihᵀ; overwritten by what backward needs, and in backward by da.
    w_hh : Parameter, shape (G H, H)
    biases : pair of Parameter or None, shape (G H,)
    state : tuple of arrays, shape (N, H)
        The first state.

    Attributes
    ----------
    states : list of arrays, shape (T + 1, N, H)
        All states; h first.
    """

    def __init__(
        self,
        a: Array,
        w_hh: Parameter,
        biases: tuple[Parameter | None, Parameter | None],
        state: tuple[Array, ...],
    ) -> None:
        self._a, self._w_hh = a, w_hh
        given = [a if bias is None else bias.data for bias in biases]
        self._biases: tuple[Any, ...] = (*given, int(biases[0] is not None))
        self.states: list[Array] = []
        for part in state:
            self.states.append(np.empty_like(a, shape=(len(a) + 1, *part.shape)))
            self.states[-1][0] = part
        self._run()

    def _run(self):
        h, w = self.states[0], rounded(self._w_hh.data.T)
        for t, a in enumerate(self._a):
            self._multiply(t, h[t], w)
            self._step(t, a)

    def undo(self, dy: Array, dlast: tuple[Array, ...]) -> tuple[Array, Array, tuple[Array, ...]]:
        """Return da and db, (T, N, G H) each, and the gradients of the first state.

        Parameters
        ----------
        dy : array, shape (T, N, H)
            Rows are contiguous.
        dlast : tuple of arrays, shape (N, H)
            Gradients of the last state.
        """
        dstate = tuple(part.copy(order="C") for part in dlast)
        w, db = rounded(self._w_hh.data), self._make_db()
        for t in reversed(range(len(self._a))):
            apart = dy[t].strides[0] // dy.itemsize
            self._undo(t, (dy[t], apart), db, *dstate)
            matmul(db[t], w, out=dstate[0], accumulate=db is not self._a)
        return self._a, db, dstate

    def _multiply(self, t, h, w):
        matmul(h, w, out=self._a[t], accumulate=True)

    def _make_db(self):
        return self._a

    def _launch(self, function, *arrays):
        _, n, width = self.states[0].shape
        count = n * width
        launch("recurrent", function, self._a, blocks_for(count), *arrays, width, count)


class RNNSteps(TimeSteps):
    """Steps of `RNNCell`."""

    def _step(self, t, a):
        (h,) = self.states
        self._launch("rnn_step", a, *self._biases, h[t + 1])

    def _undo(self, t, dy, db, dh):
        (h,) = self.states
        self._launch("rnn_undo", self._a[t], h[t + 1], *dy, dh)


class LSTMSteps(TimeSteps):
    """Steps of `LSTMCell`."""

    def _step(self, t, a):
        h, c = self.states
        self._launch("lstm_step", a, *self._biases, c[t], c[t + 1], h[t + 1])

    def _undo(self, t, dy, db, dh, dc):
        _, c = self.states
        self._launch("lstm_undo", self._a[t], c[t], c[t + 1], *dy, dh, dc)


class GRUSteps(TimeSteps):
    """Steps of `GRUCell`, whose a and b are not added to each other."""

    def _run(self):
        self._b = np.empty_like(self._a, shape=self._a.shape[1:])  # (N, 3 H), of one step
        self._b_n = np.empty_like(self._a, shape=(len(self._a), *self.states[0].shape[1:]))
        super()._run()

    def _multiply(self, t, h, w):
        matmul(h, w, out=self._b)

    def _step(self, t, a):
        (h,) = self.states
        self._launch("gru_step", a, self._b, *self._biases, self._b_n[t], h[t], h[t + 1])

    def _make_db(self):
        return np.empty_like(self._a)

    def _undo(self, t, dy, db, dh):
        (h,) = self.states
        self._launch("gru_undo", self._a[t], db[t], self._b_n[t], h[t], *dy, dh)


KINDS: dict[Any, type[TimeSteps]] = {  # by the lesson's pair: a class with its own step has none
    (RNNCell.step, RNNCell.undo): RNNSteps,
    (LSTMCell.step, LSTMCell.undo): LSTMSteps,
    (GRUCell.step, GRUCell.undo): GRUSteps,
}


def steps_of(cell: Cell | type[Cell]) -> type[TimeSteps] | None:
    """Return the steps with kernels for a cell, or None if it has a step of its own."""
    return KINDS.get((cell.step, cell.undo))
