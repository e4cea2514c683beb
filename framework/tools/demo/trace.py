"""Trace a model's forward: its layers, and the operations on arrays between them.

`trace` runs forward once with an array that records what happens to it, and checks on other samples
that what it recorded explains the output. A model may have any forward that calls known layers and
the operations of `firstlight.tools.demo.traced`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support import forms
from firstlight.support.array import Array
from firstlight.support.summary import undisturbed
from firstlight.tools.demo.known_layers import WITHOUT_EFFECT, Description, describe, is_known
from firstlight.tools.demo.traced import OPERATIONS, Traced, UnknownOperationError

TOLERANCE = 1e-4  # of the largest output; layers in other batches round otherwise


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
    run : callable
        What it computes, in Python.
    shape : tuple of int
        The shape of its output.
    """

    path: str
    description: Description
    inputs: list[int | None]
    run: Callable[..., Array]
    shape: tuple[int, ...]


@dataclass
class Graph:
    """The nodes of a forward in order; the first is the input, the last the output."""

    nodes: list[Node] = field(default_factory=list)
    output: int = 0
    path: str = ""  # of the module that is running

    def add(
        self, description: Description, inputs: list[Any], run: Callable[..., Array]
    ) -> "Traced":
        """Append a node, and return its output."""
        traced = [x if x is None or isinstance(x, Traced) else self.constant(x) for x in inputs]
        value = run(*(None if x is None else x.value for x in traced))
        indices = [None if x is None else x.node for x in traced]
        self.nodes.append(Node(self.path, description, indices, run, np.shape(value)))
        return Traced(self, len(self.nodes) - 1, value)

    def constant(self, value: Any) -> "Traced":
        """Append a node without inputs; True and False of a mask become 0 and -inf."""
        array = np.asarray(value)
        kept = np.where(array, 0, -np.inf) if array.dtype == bool else array
        kept = kept.astype("float32", copy=False)
        value = value if isinstance(value, (int, float)) else array  # a number keeps x's dtype
        return self.add(Description("constant", {}, {"value": kept}), [], lambda: value)

    def __call__(self, x: Array) -> Array:
        """Compute the output from other inputs, in Python."""
        values = [x]
        for node in self.nodes[1:]:
            values.append(node.run(*(None if i is None else values[i] for i in node.inputs)))
        return values[self.output]


def trace(model: Module, *samples: Array) -> Graph:
    """Return the graph of a model's forward.

    Parameters
    ----------
    model : Module
    samples : arrays, shape (N, ...)
        Inputs, with different N and, for models of any length, different T. The first is traced,
        the others check the graph.

    Raises
    ------
    ValueError
        Forward does something that has no form in JavaScript, or depends on the samples: the
        message names the module and what to do.
    """
    graph, who = Graph(), type(model).__name__
    with undisturbed(model), forms.only():
        for module in model.modules():
            module.training, module._stack = False, None
        expected = [model(x) for x in samples[1:]]
        for path, module in model.named_modules():
            module.forward = _recording(graph, path, module)
        if not all(np.isfinite(y).all() for y in expected if isinstance(y, np.ndarray)):
            raise ValueError(
                f"{who} answers with NaN or infinity, so it has diverged; choose an earlier "
                "checkpoint"
            )
        graph.nodes.append(Node("", Description("input"), [], lambda: None, samples[0].shape))
        y = model(Traced(graph, 0, samples[0]))
        if not isinstance(y, Traced):
            raise ValueError(
                f"{who}.forward returned {type(y).__name__}, which does not come from its input by "
                f"layers; a demo shows models whose forward returns one array. {ADVICE}"
            )
        graph.output = y.node
        for x, y in zip(samples[1:], expected, strict=True):
            _check(who, graph(x), y)
    return graph


ADVICE = (
    "Write forward with layers of firstlight.nn, without `if` on values, and for the steps between "
    f"them use {', '.join(OPERATIONS)}, indexing and arithmetic."
)


def _check(who, found, expected):
    close = found.shape == expected.shape and np.allclose(
        found, expected, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0)))
    )
    if not close:
        raise ValueError(
            f"{who}.forward does other things for other samples than for the first, so that its "
            "layers in order do not explain its output: it may have an `if`, a loop over a length, "
            f"or numbers made of a shape. {ADVICE}"
        )


def _recording(graph, path, module):
    """Return a forward that records a known layer as one node, and follows any other module."""
    forward = module.forward

    def layer(*inputs: Any) -> Any:
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        if not any(isinstance(x, Traced) for x in inputs):
            return forward(*inputs)  # a constant
        if isinstance(module, WITHOUT_EFFECT):
            return inputs[0]
        return graph.add(describe(module), list(inputs), forward)

    def followed(*inputs: Any, **options: Any) -> Any:
        above, graph.path = graph.path, path
        try:
            known = is_known(module) or isinstance(module, WITHOUT_EFFECT)
            y = layer(*inputs) if known else forward(*inputs, **options)
        except UnknownOperationError as error:
            name = f"{type(module).__name__}.forward" + (f" ({path})" if path else "")
            raise ValueError(f"{name} {error}. {ADVICE}") from error
        graph.path = above
        return y

    return followed
