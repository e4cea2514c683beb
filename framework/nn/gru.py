"""GRU and GRUCell: gated recurrent units."""

from typing import Any

import numpy as np

from firstlight.nn.recurrent import Cell, Recurrent
from firstlight.support.array import Array
from firstlight.support.special import sigmoid


class GRUCell(Cell):
    """One step of a gated recurrent unit.

    Formula, with a = x_t W_ihᵀ + b_ih and b = h_{t-1} W_hhᵀ + b_hh in three blocks, one per gate::

        r   = σ(a_r + b_r)              reset gate
        z   = σ(a_z + b_z)              update gate
        n   = tanh(a_n + r b_n)         candidate
        h_t = (1 - z) n + z h_{t-1}

    Where z is near 1, h and its gradient pass from step to step unchanged.

    Gradient, by the product rule and σ' = σ (1 - σ), tanh' = 1 - tanh²::

        da_n = dh_t (1 - z) (1 - n²)             db_n = da_n r
        da_z = dh_t (h_{t-1} - n) z (1 - z)      db_z = da_z
        da_r = da_n b_n r (1 - r)                db_r = da_r
        dh_{t-1} = dh_t z, plus the path through b

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
    weight_ih, weight_hh : Parameter, shapes (3 H, I) and (3 H, H)
        The blocks of H rows are for r, z and n, in PyTorch's order.
    bias_ih, bias_hh : Parameter, shape (3 H,), or None
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
    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
    Translation", 2014, section 2.3; with r applied after W_hh, as in PyTorch and cuDNN.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.GRUCell(3, 5)(np.ones((2, 3), "float32")).shape
    (2, 5)
    """

    gates: int = 3

    @staticmethod
    def step(
        a: Array, b: Array, state: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], Any]:  # (N, 3 H), (N, 3 H), (h,)
        (h,) = state  # (N, H), as all below
        a_r, a_z, a_n = np.split(a, 3, axis=1)
        b_r, b_z, b_n = np.split(b, 3, axis=1)
        r = sigmoid(a_r + b_r)
        z = sigmoid(a_z + b_z)
        n = np.tanh(a_n + r * b_n)
        return ((1 - z) * n + z * h,), (h, r, z, n, b_n)

    @staticmethod
    def undo(dstate: Any, kept: Any) -> tuple[Array, Array, Any]:
        (dh,), (h, r, z, n, b_n) = dstate, kept
        da_n = dh * (1 - z) * (1 - n**2)
        da_z = dh * (h - n) * z * (1 - z)
        da_r = da_n * b_n * r * (1 - r)
        da = np.concatenate([da_r, da_z, da_n], axis=1)  # (N, 3 H)
        db = np.concatenate([da_r, da_z, da_n * r], axis=1)  # (N, 3 H)
        return da, db, (dh * z,)


class GRU(Recurrent):
    """Gated recurrent units along sequences.

    Formula and gradient are those of `GRUCell` at each step t, from h_0 = 0 unless a state is
    given, with the same weights at each step; see `firstlight.nn.recurrent`. With several layers,
    each reads the output of the one below.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, bidirectional, needs_dx, rng
        As in `RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Parameter
        As in `GRUCell`; and so on for each layer l1, l2, ..., and with ``_reverse`` for
        the second direction.
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
    Cho et al., 2014, see `GRUCell`.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> nn.GRU(3, 5)(np.ones((2, 7, 3), "float32")).shape  # (N, T, I) -> (N, T, D H)
    (2, 7, 5)
    """

    cell: type[Cell] = GRUCell
