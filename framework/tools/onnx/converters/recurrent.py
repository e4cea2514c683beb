"""Converters of recurrent layers and cells, for which ONNX has the time first."""

from typing import Any

import numpy as np

from firstlight import nn
from firstlight.tools.onnx.graph import Graph, Value
from firstlight.tools.onnx.registry import converter

GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}  # z r h; i o f c
TIME_FIRST = (1, 0, 2)


@converter(nn.RNN, nn.GRU, nn.LSTM)
def recurrent(g: Graph, layer: nn.LSTM, x: Value, state: Any = None) -> tuple[Value, ...]:
    """Write one node for each layer, of both directions; return y and the parts of the state."""
    op, count = type(layer).cell.__name__.removesuffix("Cell"), layer.num_layers
    first = _parts(state, layer.parts)
    y, last = g.ordered(x, TIME_FIRST), []
    for index, runs in enumerate(layer.runs()):
        given = [_of_layer(g, part, index, len(runs), count) for part in first]
        weights = [layer.weights(run) for run in runs]
        names = _run(g, op, y, weights, given, layer.hidden_size, layer.parts)
        last.append(names[1:])
        y = _joined(g, names[0], len(runs), layer.hidden_size)
    states = (
        part[0] if count == 1 else g.add("Concat", *part, axis=0)
        for part in zip(*last, strict=True)
    )
    return (Value(y, order=TIME_FIRST), *map(Value, states))


def _joined(g, y, directions, hidden):
    """Return Y (T, D, N, H) as (T, N, D H)."""
    if directions == 1:
        return g.add("Squeeze", y, g.ints(1))
    y = g.add("Transpose", y, perm=(0, 2, 1, 3))  # (T, N, D, H)
    return g.add("Reshape", y, g.ints(0, 0, directions * hidden))


@converter(nn.RNNCell, nn.GRUCell, nn.LSTMCell)
def cell(g: Graph, layer: nn.LSTMCell, x: Value, state: Any = None) -> tuple[Value, ...]:
    """Write a sequence of one step; return h and the parts of the new state."""
    op, axis = type(layer).__name__.removesuffix("Cell"), g.ints(0)
    given = [g.add("Unsqueeze", g.plain(part), axis) for part in _parts(state, layer.parts)]
    weights = [layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh]
    one = g.add("Unsqueeze", g.plain(x), axis)  # (1, N, I)
    _, *states = _run(g, op, one, [weights], given, layer.hidden_size, layer.parts)
    new = [Value(g.add("Squeeze", part, axis)) for part in states]
    return (new[0], *new)


def _parts(state, count):
    if state is None:
        return []
    return list(state) if count > 1 else [state]


def _of_layer(g, part, index, directions, count):
    """Return h or c (D, N, H) of one layer."""
    if count == 1:
        return g.plain(part)
    start = index * directions
    return g.add("Slice", g.plain(part), g.ints(start), g.ints(start + directions), g.ints(0))


def _run(g, op, x, weights, state, hidden, parts):
    """Write a node; return the names of Y (T, D, N, H) and of the parts of the last state.

    ``weights`` are W_ih, W_hh, b_ih and b_hh of each direction.
    """
    scope = g.scope and f"{g.scope}."
    w_ih, w_hh, b_ih, b_hh = (
        [None if w is None else _gates(op, w.data) for w in both]
        for both in zip(*weights, strict=True)
    )
    inputs = [
        g.constant(np.stack(w_ih), f"{scope}W"),
        g.constant(np.stack(w_hh), f"{scope}R"),
    ]
    bias = ""
    if b_ih[0] is not None:
        bias = g.constant(np.hstack([b_ih, b_hh]), f"{scope}B")
    inputs += [bias, "", *state] if state else [bias] * bool(bias)
    options = {"linear_before_reset": 1} if op == "GRU" else {}
    options |= {"direction": "bidirectional"} if len(weights) > 1 else {}
    return g.add(op, x, *inputs, outputs=1 + parts, hidden_size=hidden, **options)


def _gates(op, rows):
    """Return the blocks of rows in ONNX's order of the gates."""
    blocks = np.split(rows, len(GATES[op]))
    return np.concatenate([blocks[index] for index in GATES[op]])
