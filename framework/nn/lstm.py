"""LSTM and LSTMCell: long short-term memory."""

from typing import Any

import numpy as np

from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array
from firstlight.support.special import sigmoid


class LSTMCell(Cell):
    """One step of a long short-term memory.

    Formula, with a + b = x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh in four blocks, one per gate::

        i = σ((a + b)_i)            f = σ((a + b)_f)            input and forget gate
        g = tanh((a + b)_g)         o = σ((a + b)_o)            candidate, output gate
        c_t = f c_{t-1} + i g       h_t = o tanh(c_t)

    Where f is near 1, the memory c and its gradient pass from step to step unchanged.

    Gradient, with dc⁺ the gradient at c_t from step t + 1, σ' = σ (1 - σ), tanh' = 1 - tanh²::

        dc_t = dc⁺ + dh_t o (1 - tanh²(c_t))    as h_t depends on c_t
        da_i = dc_t g i (1 - i)                 da_f = dc_t c_{t-1} f (1 - f)
        da_g = dc_t i (1 - g²)                  da_o = dh_t tanh(c_t) o (1 - o)
        db = da                                 dc_{t-1} = dc_t f

    and from there to x, h_{t-1} and the weights as in `firstlight.nn.recurrent`.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool
        If False, there are no b_ih and b_hh.
    rng : numpy.random.Generator, optional
        Generator of the initial values, uniform in ±1/√H; the ``init`` stream by default.

    Attributes
    ----------
    weight_ih, weight_hh : Parameter, shapes (4 H, I) and (4 H, H)
        The blocks of H rows are for i, f, g and o, in PyTorch's order.
    bias_ih, bias_hh : Parameter, shape (4 H,), or None
    state, dstate : pair of arrays, shapes (N, H)
        (h_t, c_t), left by ``forward(x, state)``, which returns h_t; the gradients at (h_{t-1},
        c_{t-1}), left by ``backward(dy, dstate)``.

    Raises
    ------
    ValueError
        Sizes that are not positive; x is not (N, I); a state that is not a pair of (N, H).
    TypeError
        x of another dtype than the weights.

    References
    ----------
    Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997; the gate f: Gers et al., "Learning to
    Forget: Continual Prediction with LSTM", 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> cell = nn.LSTMCell(3, 5)
    >>> h = cell(np.ones((2, 3), "float32"))
    >>> cell(np.ones((2, 3), "float32"), cell.state).shape
    (2, 5)
    """

    gates: int = 4
    parts: int = 2

    @staticmethod
    def step(
        a: Array, b: Array, state: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], Any]:  # (N, 4 H), (N, 4 H), (h, c)
        _, c = state  # (N, H), as all below
        a_i, a_f, a_g, a_o = np.split(a + b, 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c_t = f * c + i * g
        h_t = o * np.tanh(c_t)
        return (h_t, c_t), (i, f, g, o, c, c_t)

    @staticmethod
    def undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
        (dh, dc), (i, f, g, o, c, c_t) = dstate, kept
        dc = dc + dh * o * (1 - np.tanh(c_t) ** 2)
        da_i = dc * g * i * (1 - i)
        da_f = dc * c * f * (1 - f)
        da_g = dc * i * (1 - g**2)
        da_o = dh * np.tanh(c_t) * o * (1 - o)
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)  # (N, 4 H)
        return da, da, (0, dc * f)


class LSTM(Recurrent):
    """Long short-term memory along sequences.

    Formula and gradient are those of `LSTMCell` at each step t, from zeros unless a state is
    given, with the same weights at each step; see `firstlight.nn.recurrent`. With several layers,
    each reads the output of the one below.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, bidirectional, needs_dx, rng
        As in `RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Parameter
        As in `LSTMCell`; and so on for each layer l1, l2, ..., and with ``_reverse`` for
        the second direction.
    state, dstate : pair of arrays, shapes (num_layers · D, N, H)
        The last (h, c), left by ``forward(x, state)``; the gradients at the first, left by
        ``backward(dy, dstate)``.

    Raises
    ------
    ValueError
        Sizes that are not positive; x is not (N, T, I); a state that is not a pair of (num_layers
        · D, N, H).
    TypeError
        x of another dtype than the weights.

    References
    ----------
    Hochreiter & Schmidhuber, 1997, see `LSTMCell`.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.LSTM(3, 5)(np.ones((2, 7, 3), "float32")).shape  # (N, T, I) -> (N, T, D H)
    (2, 7, 5)
    """

    cell: type[Cell] = LSTMCell
