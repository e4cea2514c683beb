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
    """Write one node for each layer; return y and the parts of the last state."""
    op, count = type(layer).cell.__name__.removesuffix("Cell"), layer.num_layers
    first = _parts(state, layer.parts)
    y, last = g.ordered(x, TIME_FIRST), []
    for index in range(count):
        given = [_of_layer(g, part, index, count) for part in first]
        names = _run(g, op, y, layer.weights(index), given, layer.hidden_size, layer.parts)
        last.append(names[1:])
        y = g.add("Squeeze", names[0], g.ints(1))  # (T, N, H)
    states = (
        part[0] if count == 1 else g.add("Concat", *part, axis=0)
        for part in zip(*last, strict=True)
    )
    return (Value(y, order=TIME_FIRST), *map(Value, states))


@converter(nn.RNNCell, nn.GRUCell, nn.LSTMCell)
def cell(g: Graph, layer: nn.LSTMCell, x: Value, state: Any = None) -> tuple[Value, ...]:
    """Write a sequence of one step; return h and the parts of the new state."""
    op, axis = type(layer).__name__.removesuffix("Cell"), g.ints(0)
    given = [g.add("Unsqueeze", g.plain(part), axis) for part in _parts(state, layer.parts)]
    weights = [layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh]
    one = g.add("Unsqueeze", g.plain(x), axis)  # (1, N, I)
    _, *states = _run(g, op, one, weights, given, layer.hidden_size, layer.parts)
    new = [Value(g.add("Squeeze", part, axis)) for part in states]
    return (new[0], *new)


def _parts(state, count):
    if state is None:
        return []
    return list(state) if count > 1 else [state]


def _of_layer(g, part, index, count):
    """Return h or c (1, N, H) of one layer."""
    if count == 1:
        return g.plain(part)
    return g.add("Slice", g.plain(part), g.ints(index), g.ints(index + 1), g.ints(0))


def _run(g, op, x, weights, state, hidden, parts):
    """Write a node; return the names of Y (T, 1, N, H) and of the parts of the last state."""
    w_ih, w_hh, b_ih, b_hh = (None if w is None else w.data for w in weights)
    scope = g.scope and f"{g.scope}."
    inputs = [
        g.constant(_gates(op, w_ih)[None], f"{scope}W"),
        g.constant(_gates(op, w_hh)[None], f"{scope}R"),
    ]
    bias = ""
    if b_ih is not None:
        both = [_gates(op, b_ih), _gates(op, b_hh)]
        bias = g.constant(np.concatenate(both)[None], f"{scope}B")
    inputs += [bias, "", *state] if state else [bias] * bool(bias)
    options = {"linear_before_reset": 1} if op == "GRU" else {}
    return g.add(op, x, *inputs, outputs=1 + parts, hidden_size=hidden, **options)


def _gates(op, rows):
    """Return the blocks of rows in ONNX's order of the gates."""
    blocks = np.split(rows, len(GATES[op]))
    return np.concatenate([blocks[index] for index in GATES[op]])
