"""RNN and RNNCell: the plain recurrent network."""

from typing import Any

import numpy as np

from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array


class RNNCell(Cell):
    """One step of a plain recurrent network.

    Formula::

        h_t = tanh(a + b)        a = x_t W_ihᵀ + b_ih,  b = h_{t-1} W_hhᵀ + b_hh

    Gradient, as tanh' = 1 - tanh²::

        da = db = dh_t (1 - h_t²)

    and from there to x, h_{t-1} and the weights as in `firstlight.nn.recurrent`. Each step
    multiplies the gradient by W_hh and by 1 - h² ≤ 1: over many steps it vanishes, or explodes if
    W_hh is large. `LSTMCell` and `GRUCell` avoid that.

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
    weight_ih, weight_hh : Parameter, shapes (H, I) and (H, H)
    bias_ih, bias_hh : Parameter, shape (H,), or None
    state, dstate : array, shape (N, H)
        h_t, left by ``forward(x, state)``; dL/dh_{t-1}, left by ``backward(dy, dstate)``.

    Raises
    ------
    ValueError
        Sizes that are not positive; x is not (N, I); a state that is not (N, H).
    TypeError
        x of another dtype than the weights.

    References
    ----------
    Elman, "Finding Structure in Time", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> cell = nn.RNNCell(3, 5)
    >>> h = cell(np.ones((2, 3), "float32"))  # from h = 0
    >>> cell(np.ones((2, 3), "float32"), h).shape
    (2, 5)
    """

    @staticmethod
    def step(
        a: Array, b: Array, state: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], Any]:  # (N, H), (N, H), (h,)
        h = np.tanh(a + b)  # (N, H)
        return (h,), h

    @staticmethod
    def undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
        (dh,), h = dstate, kept
        da = dh * (1 - h**2)  # (N, H)
        return da, da, (0,)


class RNN(Recurrent):
    """A plain recurrent network along sequences.

    Formula and gradient are those of `RNNCell` at each step t, from h_0 = 0 unless a state is
    given, with the same weights at each step; see `firstlight.nn.recurrent`. With several layers,
    each reads the output of the one below.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Number of layers.
    bias : bool
        If False, there are no b_ih and b_hh.
    bidirectional : bool
        If True, D = 2 instead of 1: a second set of weights reads the sequence from its end.
    needs_dx : bool
        False for a model's first layer: skips dx and returns None.
    rng : numpy.random.Generator, optional
        Generator of the initial values, uniform in ±1/√H; the ``init`` stream by default.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : Parameter, shapes (H, I) and (H, H)
        And so on for each layer l1, l2, ..., and with ``_reverse`` for the second direction.
    bias_ih_l0, bias_hh_l0 : Parameter, shape (H,), or None
    state, dstate : array, shape (num_layers · D, N, H)
        The last h, left by ``forward(x, state)``; dL/dh_0, left by ``backward(dy, dstate)``.

    Raises
    ------
    ValueError
        Sizes that are not positive; x is not (N, T, I); a state that is not (num_layers ·
        D, N, H).
    TypeError
        x of another dtype than the weights.

    References
    ----------
    Elman, "Finding Structure in Time", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.RNN(3, 5)
    >>> layer(np.ones((2, 7, 3), "float32")).shape  # (N, T, I) -> (N, T, D H)
    (2, 7, 5)
    >>> layer(np.ones((2, 1, 3), "float32"), layer.state).shape  # an eighth step
    (2, 1, 5)
    """

    cell: type[Cell] = RNNCell
