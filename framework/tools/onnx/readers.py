"""Which layers the operators of ONNX become: elementwise, linear, shapes, recurrent."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlight import nn
from firstlight.tools.onnx import image_readers  # noqa: F401  registers them
from firstlight.tools.onnx.converters.recurrent import GATES
from firstlight.tools.onnx.importing import Loader, N, filled, reads
from firstlight.tools.onnx.wired import Add, Concatenate, Multiply, Select, Slice

PLAIN = {"Relu": nn.ReLU, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "Softplus": nn.Softplus}
LARGE = 2**31  # ends of slices


@reads(*PLAIN)
def plain(loader: Loader, node: Any) -> None:
    """Make an activation without arguments."""
    _elementwise(loader, node, PLAIN[node.op_type]())


@reads("LeakyRelu")
def leaky_relu(loader: Loader, node: Any) -> None:
    """Make LeakyReLU."""
    _elementwise(loader, node, nn.LeakyReLU(loader.attribute(node, "alpha", 0.01)))


@reads("Elu")
def elu(loader: Loader, node: Any) -> None:
    """Make ELU."""
    _elementwise(loader, node, nn.ELU(loader.attribute(node, "alpha", 1.0)))


@reads("Gelu")
def gelu(loader: Loader, node: Any) -> None:
    """Make GELU."""
    _elementwise(loader, node, nn.GELU(loader.attribute(node, "approximate", "none")))


def _elementwise(loader, node, layer):
    held = loader.held[node.input[0]]
    loader.hold(node.output[0], loader.layer(layer, held.slot), held.axes)


@reads("Identity", "Dropout")
def nothing(loader: Loader, node: Any) -> None:
    """Make nothing."""
    held = loader.held[node.input[0]]
    loader.hold(node.output[0], held.slot, held.axes)


@reads("Softmax", "LogSoftmax")
def softmax(loader: Loader, node: Any) -> None:
    """Make Softmax or LogSoftmax."""
    layer = getattr(nn, node.op_type)(loader.attribute(node, "axis", -1))
    loader.hold(node.output[0], loader.layer(layer, loader.array(node.input[0])))


@reads("Gemm")
def gemm(loader: Loader, node: Any) -> None:
    """Make Linear."""
    weight, bias = loader.constant(node, 1), loader.constant(node, 2)
    factors = {name: loader.attribute(node, name, 1.0) for name in ("alpha", "beta")}
    if loader.attribute(node, "transA", 0) or set(factors.values()) != {1.0}:
        raise loader.unsupported(node, "with transA, alpha or beta")
    weight = weight if loader.attribute(node, "transB", 0) else weight.T
    if bias is not None:
        bias = np.broadcast_to(bias, weight.shape[:1])
    _linear(loader, node, weight, bias)


@reads("MatMul")
def matmul(loader: Loader, node: Any) -> None:
    """Make Linear without a bias; `add` gives it one."""
    weight = loader.constant(node, 1)
    if weight.ndim != 2:
        raise loader.unsupported(node, f"with a constant of shape {weight.shape}")
    _linear(loader, node, weight.T, None)


def _linear(loader, node, weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    slot = loader.layer(filled(layer, weight=weight, bias=bias), loader.array(node.input[0]))
    loader.hold(node.output[0], slot)


@reads("Add")
def add(loader: Loader, node: Any) -> None:
    """Make Add, or give the bias to the product before."""
    place = next((i for i, n in enumerate(node.input) if n in loader.constants), None)
    if place is None:
        _joined(loader, node, Add())
        return
    bias, other = loader.constant(node, place), node.input[1 - place]
    slot = loader.held[other].slot
    before = loader.layers[slot - 1] if slot else None
    alone = slot == len(loader.layers) and loader.uses[other] == 1
    if not (alone and isinstance(before, nn.Linear) and before.bias is None):
        raise loader.unsupported(node, "with a constant that is no bias of a product")
    if bias.shape != before.weight.shape[:1]:
        raise loader.unsupported(node, f"with a bias of shape {bias.shape}")
    linear = nn.Linear(before.in_features, before.out_features)
    loader.layers[slot - 1] = filled(linear, weight=before.weight.data, bias=bias)
    loader.hold(node.output[0], slot)


@reads("Mul")
def mul(loader: Loader, node: Any) -> None:
    """Make Multiply."""
    if any(n in loader.constants for n in node.input):
        raise loader.unsupported(node, "with a constant")
    _joined(loader, node, Multiply())


@reads("Concat")
def concat(loader: Loader, node: Any) -> None:
    """Make Concatenate."""
    if any(n in loader.constants for n in node.input):
        raise loader.unsupported(node, "with a constant")
    first = loader.held[node.input[0]]
    axis = loader.attribute(node, "axis") % loader.rank(node.output[0])
    if axis not in first.axes:
        loader.array(node.input[0])
        first = loader.held[node.input[0]]
    _joined(loader, node, Concatenate(first.axes.index(axis)), same=False)


def _joined(loader, node, layer, same=True):
    """Append a layer of several inputs, in the order of axes that the first one has."""
    shapes = {loader.shapes[name] for name in node.input}
    if same and len(shapes) > 1:
        told = " and ".join(map(str, shapes)).replace(str(N), "N")
        raise loader.unsupported(node, f"which broadcasts {told}")
    axes = loader.held[node.input[0]].axes
    if len(axes) < loader.rank(node.input[0]):
        axes = tuple(range(loader.rank(node.input[0])))
    slots = [loader.array(name, axes) for name in node.input]
    loader.hold(node.output[0], loader.layer(layer, *slots), axes)


@reads("LayerNormalization")
def layer_norm(loader: Loader, node: Any) -> None:
    """Make LayerNorm."""
    scale, bias = loader.constant(node, 1), loader.constant(node, 2)
    eps = loader.attribute(node, "epsilon", 1e-5)
    layer = nn.LayerNorm(scale.shape, eps, bias=bias is not None)
    slot = loader.layer(filled(layer, weight=scale, bias=bias), loader.array(node.input[0]))
    loader.hold(node.output[0], slot)


@reads("Gather")
def gather(loader: Loader, node: Any) -> None:
    """Make Embedding of a table, or Select of one index."""
    axis = loader.attribute(node, "axis", 0)
    table = loader.constant(node, 0) if node.input[0] in loader.constants else None
    if table is not None and table.ndim == 2 and axis == 0:
        layer = filled(nn.Embedding(*table.shape), weight=table)
        loader.hold(node.output[0], loader.layer(layer, loader.array(node.input[1])))
        return
    index = loader.constant(node, 1)
    if table is not None or index.ndim:
        raise loader.unsupported(node, "with several indices, or a constant that is no table")
    held, axis = loader.held[node.input[0]], axis % loader.rank(node.input[0])
    slot = loader.layer(Select(held.axes.index(axis), int(index)), held.slot)
    axes = [a - (a > axis) for a in held.axes if a != axis]
    loader.hold(node.output[0], slot, axes)


@reads("Slice")
def cut(loader: Loader, node: Any) -> None:
    """Make Slice for each axis."""
    starts, ends = (loader.numbers(node, i, n) for i, n in ((1, "starts"), (2, "ends")))
    axes = loader.numbers(node, 3, "axes") or list(range(len(starts)))
    steps = loader.numbers(node, 4, "steps") or [1] * len(starts)
    held = loader.held[node.input[0]]
    slot = held.slot
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= loader.rank(node.input[0])
        stop = None if abs(end) >= LARGE or end == loader.shapes[node.input[0]][axis] else end
        first = None if abs(start) >= LARGE else start
        slot = loader.layer(Slice(held.axes.index(axis), first, stop, step), slot)
    loader.hold(node.output[0], slot, held.axes)


@reads("Transpose")
def transpose(loader: Loader, node: Any) -> None:
    """Only note the new order of axes."""
    rank = loader.rank(node.input[0])
    perm = list(loader.attribute(node, "perm", range(rank)[::-1]))
    held = loader.held[node.input[0]]
    loader.hold(node.output[0], held.slot, [perm.index(axis) for axis in held.axes])


@reads("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(loader: Loader, node: Any) -> None:
    """Only note the axes if those of length 1 come or go; else make Flatten or Reshape."""
    old, new = loader.shapes[node.input[0]], loader.shapes[node.output[0]]
    held = loader.held[node.input[0]]
    longer = [[a for a, n in enumerate(shape) if n != 1] for shape in (old, new)]
    if [old[a] for a in longer[0]] == [new[a] for a in longer[1]]:
        extra = [a for a in held.axes if a not in longer[0]]
        if not extra:
            moved = dict(zip(*longer, strict=True))
            loader.hold(node.output[0], held.slot, [moved[a] for a in held.axes])
            return
    slot = loader.array(node.input[0])
    if new[0] not in (N, loader.samples) or any(n <= 0 for n in new):
        raise loader.unsupported(node, "which changes the number of samples")
    layer = nn.Flatten() if len(new) == 2 else nn.Reshape(*new[1:])
    loader.hold(node.output[0], loader.layer(layer, slot))


@reads(*GATES)
def recurrent(loader: Loader, node: Any) -> None:
    """Make RNN, GRU or LSTM of one layer."""
    op, hidden = node.op_type, loader.attribute(node, "hidden_size")
    usual = {"direction": "forward", "layout": 0, "clip": None, "activations": None}
    usual |= {"linear_before_reset": 1} if op == "GRU" else {}
    for name, value in usual.items():
        default = 0 if name == "linear_before_reset" else value
        if loader.attribute(node, name, default) != value and name != "activations":
            raise loader.unsupported(node, f"with {name} other than {value}")
    w_ih, w_hh, bias = (loader.constant(node, index) for index in (1, 2, 3))
    for index in range(4, len(node.input)):
        name = node.input[index]
        first = loader.constants.get(name) if name else 0  # zeros may depend on sizes
        if first is None or np.any(first) or (name and index in (4, 7)):
            raise loader.unsupported(node, "with lengths of sequences, or a first state")
    if any(loader.uses[name] for name in list(node.output)[2:]):
        raise loader.unsupported(node, "whose last cell state is used")
    layer = getattr(nn, op)(w_ih.shape[2], hidden, bias=bias is not None)
    arrays = {"weight_ih_l0": _gates(op, w_ih[0]), "weight_hh_l0": _gates(op, w_hh[0])}
    if bias is not None:
        one, other = np.split(bias[0], 2)
        arrays |= {"bias_ih_l0": _gates(op, one), "bias_hh_l0": _gates(op, other)}
    slot = loader.layer(filled(layer, **arrays), loader.array(node.input[0], (1, 0, 2)))
    if node.output[0]:
        loader.hold(node.output[0], slot, (2, 0, 3))  # (T, 1, N, H)
    if len(node.output) > 1 and loader.uses[node.output[1]]:
        loader.hold(node.output[1], loader.layer(Select(1, -1), slot), (1, 2))  # (1, N, H)


def _gates(op, rows):
    """Return the blocks of rows in firstlight's order of the gates."""
    blocks = np.split(rows, len(GATES[op]))
    return np.concatenate([blocks[GATES[op].index(index)] for index in range(len(blocks))])
