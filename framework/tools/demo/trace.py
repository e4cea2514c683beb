"""The graph of a model's forward for a page: its layers, and the operations on arrays between them.

`trace` records forward on two batches, and writes what ran as nodes that JavaScript knows. A model
may have any forward that calls known layers and `firstlight.tools.demo.operations`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.demo.known_layers import WITHOUT_EFFECT, Description, describe, is_known
from firstlight.tools.demo.operations import ADVISED, OPERATIONS, Value
from firstlight.tools.tracing.recording import record
from firstlight.tools.tracing.symbolic import Dim, NotFixedError, Spread, compared
from firstlight.tools.tracing.traced import Ref, Step, Traced, UntraceableError, mapped

ADVICE = (
    "Write forward with layers of firstlight.nn, without `if` on values, and for the steps between "
    f"them use {', '.join(ADVISED)}, indexing and arithmetic."
)


@dataclass
class Node:
    """One step of forward.

    Attributes
    ----------
    path : str
        The module that it belongs to, as in ``named_modules()``; "" is the model.
    description : Description
    inputs : list of int or None
        Indices of the nodes whose outputs it takes.
    shape : tuple of int or Dim
        The shape of its output.
    """

    path: str
    description: Description
    inputs: list[int | None]
    shape: tuple[Any, ...]


class Graph:
    """The nodes of a forward in order.

    Parameters
    ----------
    shape : tuple of int or Dim
        Of the input, which is the first node.
    """

    def __init__(self, shape: tuple[Any, ...]) -> None:
        self.nodes: list[Node] = [Node("", Description("input"), [], shape)]
        self.output: int = 0
        self.path: str = ""  # of the module whose steps are written

    def add(self, description: Description, inputs: Iterable[Any], shape: Any) -> Value:
        """Append a node, and return its output; inputs that are no `Value` become constants."""
        indices = [None if x is None else self._value(x).node for x in inputs]
        self.nodes.append(Node(self.path, description, indices, shape))
        return Value(len(self.nodes) - 1, shape)

    def _value(self, item: Any) -> Value:
        """Return a constant as a node without inputs; True and False become 0 and -inf."""
        if isinstance(item, Value):
            return item
        if isinstance(item, Spread) and not any(isinstance(n, Dim) for n in item.shape[1:]):
            item = item.array  # the same for each sample
        if isinstance(item, (Dim, Spread)):
            raise UntraceableError("takes numbers made of a shape")
        array = np.asarray(item)
        if array.dtype.kind not in "biuf":
            raise UntraceableError("takes an argument that is no array")
        kept = np.where(array, 0, -np.inf) if array.dtype == bool else array
        kept = kept.astype("float32", copy=False)
        return self.add(Description("constant", {}, {"value": kept}), [], kept.shape)


def trace(model: Module, x: Array, other: Array) -> Graph:
    """Return the graph of a model's forward in evaluation mode.

    Parameters
    ----------
    model : Module
    x, other : arrays, shape (N, ...)
        Inputs with other numbers, of different N and, for models of any length, different T.

    Raises
    ------
    ValueError
        Forward does something that has no form in JavaScript, or depends on the samples: the
        message names the line or the module, and what to do.
    """
    who = type(model).__name__
    pairs = zip(x.shape[:2], other.shape[:2], strict=True)
    sizes = {name: pair for name, pair in zip("NT", pairs, strict=False) if len(set(pair)) > 1}
    try:
        (one, _, y), (two, *_) = (record(model, (batch,), _is_step) for batch in (x, other))
        for at, what in one.reads.items():
            raise UntraceableError(f"{at} takes {what} of an array, which a demo cannot follow")
        if not isinstance(y, Traced):
            raise UntraceableError(
                f"forward returned {type(y).__name__}, which does not come from its input by "
                "layers; a demo shows models whose forward returns one array"
            )
        if not np.isfinite(y.value).all():
            raise ValueError(
                f"{who} answers with NaN or infinity, so it has diverged; choose an earlier "
                "checkpoint"
            )
        shaped = compared(one, two, sizes)
        graph = Graph(shaped.shapes[0])
        values = {Ref(0): Value(0, shaped.shapes[0])}
        for step in shaped.needed([y.ref]):
            values[step.outputs[0]] = _write(graph, step, values, shaped.shapes)
        graph.output = values[y.ref].node
        return graph
    except (UntraceableError, NotFixedError) as error:
        raise ValueError(f"{who}: {error}. {ADVICE}") from error


def _is_step(module):
    return is_known(module) or isinstance(module, WITHOUT_EFFECT)


def _write(graph: Graph, step: Step, values: dict[Ref, Value], shapes: list[Any]) -> Value:
    """Append the node of a step, and return its output."""
    graph.path, shape = step.scope, shapes[step.outputs[0].index]
    try:
        args, options = mapped((step.args, step.options), Ref, values.__getitem__)
        if step.layer is None:
            if step.name not in OPERATIONS:
                raise UntraceableError("has no form in JavaScript")
            return OPERATIONS[step.name](graph, shape, *args, **options)
        if isinstance(step.layer, WITHOUT_EFFECT):
            return args[0]
        while args[-1] is None:
            args = args[:-1]
        if any(option is not None for option in options.values()):
            raise UntraceableError("takes options")
        return graph.add(describe(step.layer), args, shape)
    except (KeyError, TypeError) as error:
        known = isinstance(error, UntraceableError)
        why = str(error) if known else "has no form in JavaScript with these inputs"
        raise UntraceableError(f"{step} {why}") from error
