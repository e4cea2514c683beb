"""folded: the graph of a model's layers with repeated blocks folded into one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from firstlight.tools.layer_graph import Node

HIDDEN = ("Dropout", "Dropout2d", "Identity")  # they change no numbers in evaluation
BLOCK = re.compile(r"(?P<block>(?:[^/]+/)*?(?P<kind>\w+?)_\d+)/")


@dataclass(frozen=True)
class Block:
    """Consecutive nodes, repeated one after another.

    Attributes
    ----------
    kind : str
        Class of the module around the nodes; empty if there is none.
    repeats : int
    nodes : tuple of Node
    """

    kind: str
    repeats: int
    nodes: tuple[Node, ...]


def folded(nodes: Sequence[Node]) -> list[Block]:
    """Return the nodes of a graph in blocks, equal neighbours folded into one.

    Losses, and what changes no numbers in evaluation, such as dropout, are left out.

    Parameters
    ----------
    nodes : list of Node
        Of `firstlight.tools.layer_graph.model_graph`.

    Returns
    -------
    list of Block
        An input of a node that is in a folded block is the node's counterpart in the first.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.tools.folded_graph import folded
    >>> from firstlight.tools.layer_graph import model_graph
    >>> part = lambda: nn.Residual(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    >>> net = nn.Sequential(part(), part(), part(), nn.Linear(4, 2))
    >>> for block in folded(model_graph(net, np.ones((2, 4), "float32"))):
    ...     print(block.kind, block.repeats, [node.op for node in block.nodes])
     1 ['Placeholder']
    Residual 3 ['Linear', 'Tanh', 'add']
     1 ['Linear']
    """
    found: list[Block] = []
    counterparts: dict[str, str] = {}
    for (kind, _), group in groupby(_shown(nodes), key=_block_of):
        block = Block(kind, 1, tuple(group))
        last = found[-1] if found else None
        if last and kind and last.kind == kind and _form(last) == _form(block):
            found[-1] = replace(last, repeats=last.repeats + 1)
            names = zip(block.nodes, last.nodes, strict=True)
            counterparts |= {node.name: other.name for node, other in names}
            continue
        kept = [
            replace(node, inputs=[counterparts.get(name, name) for name in node.inputs])
            for node in block.nodes
        ]
        found.append(replace(block, nodes=tuple(kept)))
    return found


def _shown(nodes):
    """Return the nodes that are drawn, with inputs that pass through those that are not."""
    sources: dict[str, list[str]] = {}
    kept = []
    for node in nodes:
        if node.name in ("target", "loss"):
            continue
        inputs = list(dict.fromkeys(s for name in node.inputs for s in sources.get(name, [name])))
        if node.op in HIDDEN:
            sources[node.name] = inputs[:1]
        else:
            kept.append(replace(node, inputs=inputs))
    return kept


def _block_of(node):
    """Return class and path of the numbered module around a node; the path of others is empty."""
    match = BLOCK.match(node.name)
    return (match["kind"], match["block"]) if match else ("", "")


def _form(block):
    """Return what two blocks have in common if one is the other's repetition."""
    places = {node.name: index for index, node in enumerate(block.nodes)}
    outside: dict[str, int] = {}
    return [
        (
            node.op,
            node.shape,
            node.parameters,
            [places.get(name, -1 - outside.setdefault(name, len(outside))) for name in node.inputs],
        )
        for node in block.nodes
    ]
