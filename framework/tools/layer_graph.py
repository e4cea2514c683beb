"""model_graph: find which layer feeds which by running the model once.

There is no autograd graph to read, so the model runs on an array that records the node it comes
from. Each layer is one node; computations between layers (a sum around a shortcut, a mean over
positions) are nodes named after NumPy's functions.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support import backend, state
from firstlight.support.array import Array
from firstlight.support.summary import undisturbed

SUMS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


@dataclass
class Node:
    """One node of the graph.

    Attributes
    ----------
    name : str
        Parts of the model are joined by "/", by which TensorBoard groups them.
    op : str
        Class of the layer, or name of the function.
    inputs : list of str
        Names of the nodes whose outputs it uses.
    shape : tuple of int
        Shape of its output.
    parameters : int
    layer : Module or None
        None for a function.
    """

    name: str
    op: str
    inputs: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    parameters: int = 0
    layer: Module | None = None


def model_graph(module: Module, x: Array) -> list[Node]:
    """Return the nodes of a model, in the order in which they ran.

    Layers with parameters of their own, or without layers inside, are one node each. The model
    runs in evaluation mode and is left as it was.

    Parameters
    ----------
    module : Module
    x : array
        A batch.

    Returns
    -------
    list of Node
        The first is the "input"; the last is the ``loss``, if the model has one.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.tools.layer_graph import model_graph
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.Residual(nn.Linear(8, 8)))
    >>> for node in model_graph(net, np.ones((2, 4), "float32")):
    ...     print(node.name, node.op, node.inputs)
    input Placeholder []
    Linear_0 Linear ['input']
    Residual_1/body Linear ['Linear_0']
    Residual_1/add add ['Linear_0', 'Residual_1/body']
    """
    if not isinstance(x, np.ndarray):  # only NumPy arrays can record their node
        module, x = copy.deepcopy(module).to(device="cpu"), backend.to_host(x)
    trace = _Trace()
    source = trace.add("input", "Placeholder", (), x.shape)
    parts = list(_parts(module, "", set()))
    with undisturbed(module):
        for part in module.modules():
            part.training, part._stack = False, None
        for name, part in parts:
            alone = part is not module and _is_node(part)
            part.forward = (_layer if alone else _scope)(trace, name, part)
        y = module(_marked(x, source, trace))
    loss = getattr(module, "loss", None)
    if isinstance(loss, Module):
        target = trace.add("target", "Placeholder", (), ())
        trace.add("loss", type(loss).__name__, [*_sources([y]), target], ())
    return trace.nodes


class _Trace:
    """The nodes found so far, and the scopes that are running."""

    def __init__(self) -> None:
        self.nodes, self.names, self.scopes = [], set(), [""]

    def add(self, name, op, inputs, shape, parameters=0, layer=None):
        """Add a node; the name of a layer that runs again gets a number."""
        unique, count = name, 0
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        self.names.add(unique)
        inputs = list(dict.fromkeys(inputs))
        self.nodes.append(Node(unique, op, inputs, tuple(map(int, shape)), parameters, layer))
        return unique


class _Marked(np.ndarray):
    """An array that records the node it comes from; so do its views."""

    def __array_finalize__(self, parent):
        self.source, self.trace = (getattr(parent, name, None) for name in ("source", "trace"))

    def __setitem__(self, key, value):
        super().__setitem__(key, _plain(value))
        self.source = getattr(value, "source", None) or self.source

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        y = getattr(ufunc, method)(*map(_plain, inputs), **options)
        name = ufunc.__name__ if method == "__call__" else SUMS.get(ufunc.__name__, method)
        return _computed(self.trace, name, [*inputs, *options.values()], y)

    def __array_function__(self, function, types, arguments, options):
        y = function(*_plain(arguments), **_plain(options))
        return _computed(self.trace, function.__name__, [arguments, options], y)


def _layer(trace, name, part):
    """Return the forward of a layer that becomes one node."""
    forward = part.forward

    def traced(*inputs):
        y = forward(*_plain(inputs))
        first = y[0] if isinstance(y, tuple) else y
        count = sum(parameter.size for parameter in part.parameters())
        before = _sources(inputs) or [trace.nodes[-1].name]
        node = trace.add(name, type(part).__name__, before, first.shape, count, part)
        return _marked(y, node, trace)

    return traced


def _scope(trace, name, part):
    """Return the forward of a part whose layers and computations become nodes inside it."""
    forward = part.forward

    def traced(*inputs):
        trace.scopes.append(f"{name}/" if name else "")
        try:
            return forward(*inputs)
        finally:
            trace.scopes.pop()

    return traced


def _computed(trace, function, used, y):
    """Add a node for a function, and mark its result with it."""
    trace = trace or next(array.trace for array in _all_marked(used) if array.trace)
    first = y[0] if isinstance(y, (tuple, list)) and y else y
    if not isinstance(first, (np.ndarray, np.generic)):
        return y  # np.shape and similar
    node = trace.add(trace.scopes[-1] + function, function, _sources(used), first.shape)
    return _marked(y, node, trace)


def _marked(value, source, trace):
    if isinstance(value, (tuple, list)):
        return type(value)(_marked(item, source, trace) for item in value)
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    marked = np.asarray(value).view(_Marked)
    marked.source, marked.trace = source, trace
    return marked


def _plain(value):
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.view(np.ndarray) if isinstance(value, _Marked) else value


def _all_marked(values):
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, _Marked):
            yield value
        elif isinstance(value, (tuple, list, dict)):
            yield from _all_marked(value)


def _sources(values):
    return [array.source for array in _all_marked(values) if array.source is not None]


def _is_node(part):
    own = any(isinstance(value, Parameter) for _, value in state.entries(part))
    return own or not any(True for _ in state.children(part))


def _parts(module: Module, name, seen):
    """Yield ``(name, module)`` of all that become nodes or hold them; each module once."""
    if id(module) in seen:
        return
    seen.add(id(module))
    yield name, module
    if name and _is_node(module):
        return
    for key, child in state.children(module):
        last = key.rpartition(".")[2]
        label = f"{type(child).__name__}_{last}" if last.isdigit() else key
        yield from _parts(child, f"{name}/{label}" if name else label, seen)
