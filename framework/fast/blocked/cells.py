"""Steps of LSTM, GRU and RNN with fewer passes and fewer arrays than their lessons."""

from collections.abc import Callable
from typing import Any

import numpy as np

from firstlight.fast.blocked.elementwise import sigmoid
from firstlight.nn.gru import GRUCell
from firstlight.nn.lstm import LSTMCell
from firstlight.nn.recurrent import Cell
from firstlight.nn.rnn import RNNCell
from firstlight.support.array import Array

State = tuple[Array, ...]


def step_and_undo(cell: Cell | type[Cell]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a faster pair for the cell's ``step`` and ``undo``; themselves if there is none."""
    lesson = cell.step, cell.undo
    return FASTER.get(lesson, lesson)


def lstm_step(a: Array, b: Array, state: State) -> tuple[State, Any]:
    """Compute all four gates at once, by σ(x) = ½ + ½ tanh(x/2): half the passes of σ by exp."""
    _, c = state
    gates = np.add(a, b, out=b)  # (N, 4 H)
    g = _blocks(gates)[2]
    g *= 2
    gates *= 0.5
    np.tanh(gates, out=gates)
    gates *= 0.5
    gates += 0.5
    i, f, g, o = _blocks(gates)
    g *= 2
    g -= 1
    new = f * c  # (N, H)
    new += i * g
    tanh = np.tanh(new)  # (N, H)
    return (o * tanh, new), (gates, c, tanh)


def lstm_undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
    """Compute σ' of all gates at once."""
    (dh, dc), (gates, c, tanh) = dstate, kept
    i, f, g, o = _blocks(gates)
    through_h = np.square(tanh)
    np.subtract(1, through_h, out=through_h)
    through_h *= o
    through_h *= dh
    dc = dc + through_h  # (N, H)
    da = np.square(gates)
    np.subtract(gates, da, out=da)  # σ', (N, 4 H)
    da_i, da_f, da_g, da_o = _blocks(da)
    np.subtract(1, np.square(g), out=da_g)
    da_i *= g
    da_i *= dc
    da_f *= c
    da_f *= dc
    da_g *= i
    da_g *= dc
    da_o *= tanh
    da_o *= dh
    return da, da, (0, dc * f)


def gru_step(a: Array, b: Array, state: State) -> tuple[State, Any]:
    """Compute both gates at once, and the new state as n + z (h - n)."""
    (h,) = state
    size = h.shape[1]
    gates = sigmoid(a[:, : 2 * size] + b[:, : 2 * size])  # (N, 2 H)
    r, z = gates[:, :size], gates[:, size:]
    b_n = b[:, 2 * size :]  # (N, H)
    n = r * b_n
    n += a[:, 2 * size :]
    np.tanh(n, out=n)
    new = h - n
    new *= z
    new += n  # (1 - z) n + z h
    return (new,), (gates, n, b_n, h)


def gru_undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
    """Write the blocks of da in place."""
    (dh,), (gates, n, b_n, h) = dstate, kept
    size = h.shape[1]
    r, z = gates[:, :size], gates[:, size:]
    slope = gates - np.square(gates)  # σ', (N, 2 H)
    da = np.empty_like(gates, shape=(len(h), 3 * size))
    da_r, da_z, da_n = (da[:, k * size : (k + 1) * size] for k in range(3))
    dh_z = dh * z
    np.subtract(dh, dh_z, out=da_n)
    da_n *= 1 - np.square(n)
    np.multiply(da_n, b_n, out=da_r)
    da_r *= slope[:, :size]
    np.subtract(h, n, out=da_z)
    da_z *= dh
    da_z *= slope[:, size:]
    db = da.copy()
    db[:, 2 * size :] *= r
    return da, db, (dh_z,)


def rnn_undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
    """Compute da in one array."""
    (dh,), h = dstate, kept
    da = np.square(h)
    np.subtract(1, da, out=da)
    da *= dh
    return da, da, (0,)


def _blocks(gates):  # (N, 4 H) -> four views (N, H)
    size = gates.shape[1] // 4
    return [gates[:, k * size : (k + 1) * size] for k in range(4)]


FASTER: dict[Any, Any] = {  # by the lesson's pair, so that a class with its own step keeps it
    (LSTMCell.step, LSTMCell.undo): (lstm_step, lstm_undo),
    (GRUCell.step, GRUCell.undo): (gru_step, gru_undo),
    (RNNCell.step, RNNCell.undo): (RNNCell.step, rnn_undo),
}
