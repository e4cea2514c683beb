"""model_graph: find which layer feeds which by running the model once.

There is no autograd graph to read, so one pass is recorded. Each layer is one node; computations
between layers (a sum around a shortcut, a mean over positions) are nodes named after NumPy's
functions. What only rearranges an array is left out.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support import backend, state
from firstlight.support.array import Array
from firstlight.tools.tracing.recording import record
from firstlight.tools.tracing.traced import Ref, Step, referred, refs_in

REARRANGING = {
    *("getitem", "setitem", "reshape", "ravel", "squeeze", "expand_dims", "broadcast_to", "astype"),
    *("transpose", "swapaxes", "moveaxis"),
}


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
    if not isinstance(x, np.ndarray):  # only NumPy arrays can be recorded
        module, x = copy.deepcopy(module).to(device="cpu"), backend.to_host(x)
    trace, (given,), y = record(
        module, (x,), lambda part: part is not module and _is_node(part), constants=True
    )
    graph = _Graph(module)
    graph.add("input", "Placeholder", (), [given.ref], x.shape)
    for step in trace.steps:
        graph.write(step, trace.values[step.outputs[0].index].shape)
    loss = getattr(module, "loss", None)
    if isinstance(loss, Module):
        graph.add("target", "Placeholder", ())
        graph.add("loss", type(loss).__name__, [*graph.sources(referred(y)), "target"])
    return graph.nodes


class _Graph:
    """The nodes found so far, and which of them computed each recorded array."""

    def __init__(self, module: Module) -> None:
        self.nodes: list[Node] = []
        self.names: set[str] = set()
        self.makers: dict[Ref, str] = {}
        self.scopes: dict[str, str] = dict(_scopes(module, "", ""))

    def sources(self, value):
        """Return the names of the nodes that computed the arrays in a value."""
        return list(dict.fromkeys(self.makers[ref] for ref in refs_in(value)))

    def write(self, step: Step, shape) -> None:
        """Add the node of a step, unless it only rearranges."""
        scope, inputs = self.scopes[step.scope], self.sources((step.args, step.options))
        if step.name in REARRANGING:
            self.makers[step.outputs[0]] = inputs[-1 if step.name == "setitem" else 0]
        elif step.layer is None:
            name = f"{scope}/{step.name}" if scope else step.name
            self.add(name, step.name, inputs, step.outputs, shape)
        else:
            count = sum(parameter.size for parameter in step.layer.parameters())
            kind, inputs = type(step.layer).__name__, inputs or [self.nodes[-1].name]
            self.add(scope, kind, inputs, step.outputs, shape, count, step.layer)

    def add(self, name, op, inputs, outputs=(), shape=(), parameters=0, layer=None):
        """Add a node; the name of a layer that runs again gets a number."""
        unique, count = name, 0
        while unique in self.names:
            count += 1
            unique = f"{name}_{count}"
        self.names.add(unique)
        self.makers |= dict.fromkeys(outputs, unique)
        self.nodes.append(Node(unique, op, list(inputs), tuple(shape), parameters, layer))


def _is_node(part):
    own = any(isinstance(value, Parameter) for _, value in state.entries(part))
    return own or part.indivisible or not any(True for _ in state.children(part))


def _scopes(module: Module, path, name):
    """Yield the path of each module, and its name in the graph, which has classes for numbers."""
    yield path, name
    for key, child in state.children(module):
        last = key.rpartition(".")[2]
        label = f"{type(child).__name__}_{last}" if last.isdigit() else key
        yield from _scopes(
            child, f"{path}.{key}" if path else key, f"{name}/{label}" if name else label
        )
