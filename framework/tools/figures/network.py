"""network_diagram: the layers of a model from input to output, for a page or a poster."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.figures.canvas import page, plain
from firstlight.tools.figures.style import (
    BLACK,
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    SMALLEST,
    VERMILION,
    widest,
)
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.folded_graph import Block, folded
from firstlight.tools.language import say
from firstlight.tools.layer_graph import Node, model_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, NARROWEST = 4.4, 3.2  # inches
ROW, GAP, HEAD = 0.26, 0.12, 0.24  # inches: a layer, the arrow below it, a line of text
LANE = 0.1  # inches of a shortcut beside the layers
LETTER = 0.077  # inches of a letter of the smallest size, on average
NAMES = {
    "add": "+",
    "multiply": "×",
    "Placeholder": "input",
    "arange": "positions",
    "MultiHeadAttention": "Attention",
}
FAMILIES = {
    **dict.fromkeys(("Conv1d", "ConvTranspose1d", "Conv2d", "ConvTranspose2d"), BLUE),
    "PatchEmbedding": BLUE,
    **dict.fromkeys(("Linear", "Embedding"), GREEN),
    **dict.fromkeys(("MultiHeadAttention",), VERMILION),
    **dict.fromkeys(("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"), PURPLE),
    **dict.fromkeys(("MaxPool1d", "AvgPool1d", "AdaptiveAvgPool1d"), ORANGE),
    **dict.fromkeys(("MaxPool2d", "AvgPool2d", "GlobalAvgPool2d", "AdaptiveAvgPool2d"), ORANGE),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "LayerNorm", "RMSNorm", "GroupNorm"), SKY),
}
DETAILS: dict[str, Callable[[Any], str]] = {
    "Linear": lambda layer: f"{layer.in_features:,}→{layer.out_features:,}",
    "Embedding": lambda layer: f"{layer.num_embeddings:,}→{layer.embedding_dim:,}",
    "PatchEmbedding": lambda layer: f"{layer.patch_size}×{layer.patch_size}",
    "MultiHeadAttention": lambda layer: f"{layer.num_heads} {say('heads')}",
}
for _kind in ("Conv1d", "ConvTranspose1d", "Conv2d", "ConvTranspose2d"):
    DETAILS[_kind] = lambda layer: f"{_kernel(layer)}, {layer.in_channels}→{layer.out_channels}"
for _kind in ("MaxPool1d", "AvgPool1d", "MaxPool2d", "AvgPool2d"):
    DETAILS[_kind] = lambda layer: _kernel(layer)
for _kind in ("RNN", "GRU", "LSTM"):
    DETAILS[_kind] = lambda layer: f"{layer.input_size}→{layer.hidden_size}"


def network_diagram(module: Module, x: Array, *, title: str = "") -> "Figure":
    """Draw the layers of a model from top to bottom, with shapes and numbers of parameters.

    Each layer is a box with the shape of its output, for one sample, and the number of its
    parameters. Shortcuts run beside the boxes. Blocks that are repeated are drawn once, with their
    number. Dropout, and what changes the shape alone, is left out. The colour tells the kind of
    layer: convolution blue, linear green, attention vermilion, recurrent purple, pooling orange,
    normalisation pale blue.

    Parameters
    ----------
    module : Module
    x : array
        A batch; the model runs on it once, in evaluation mode.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Save it as .svg for a page, or .pdf for a poster.

    Examples
    --------
    >>> import numpy as np
    >>> import firstlight as fl
    >>> net = fl.models.GPT(65, 64)
    >>> figure = fl.figures.network_diagram(net, np.zeros((1, 16), "int64"))
    >>> fl.figures.numbers(figure)["layers"]["repeats"].tolist()[5:8]
    [4, 4, 4]
    """
    blocks = folded(model_graph(module, x[:1]))
    rows = [(node, block) for block in blocks for node in block.nodes]
    nodes = [node for node, _ in rows]
    arcs = _lanes(_shortcuts(nodes))
    lanes = 1 + max((lane for *_, lane in arcs), default=-1)
    named = sum(bool(block.kind) for block in blocks)
    height = len(rows) * (ROW + GAP) + named * (HEAD + GAP) + 2 * HEAD
    width = min(WIDTH, max(widest(), NARROWEST))
    figure = page(width, height, title)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    tops = _placed(axes, blocks, width)
    shapes = [_shape(node) for node in nodes]
    counts = [f"{node.parameters:,}" if node.parameters else "" for node in nodes]
    heads = say("output"), say("parameters")
    end, edge = width - 0.1, width - 0.1  # of the columns and of the boxes
    for texts in ((heads[1], *counts), (heads[0], *shapes)):
        for text, y in zip(texts, (HEAD / 2, *(top + ROW / 2 for top in tops)), strict=True):
            _write(axes, end, y, text, ha="right", color=GRAY if text in heads else BLACK)
        edge = end - LETTER * max(map(len, texts)) - 0.1
        end = edge
    left, right = 0.1 + lanes * LANE, edge
    for node, top in zip(nodes, tops, strict=True):
        _layer(axes, node, top, left, right)
    for index, node in enumerate(nodes):
        if index and nodes[index - 1].name in node.inputs:
            middle = (left + right) / 2
            _arrow(axes, [(middle, tops[index - 1] + ROW), (middle, tops[index])])
    for first, last, lane in arcs:
        side = left - (lane + 1) * LANE
        begin, end = tops[first] + ROW * 0.7, tops[last] + ROW * 0.3
        _arrow(axes, [(left, begin), (side, begin), (side, end), (left, end)])
    total = sum(parameter.size for parameter in module.parameters())
    text = say("in all {count} parameters").format(count=f"{total:,}")
    _write(axes, width - 0.1, height - HEAD / 2, text, ha="right", color=GRAY)
    table = {
        "layer": [node.name for node in nodes],
        "type": [node.op for node in nodes],
        "repeats": [block.repeats for _, block in rows],
        "output": shapes,
        "parameters": [node.parameters for node in nodes],
    }
    keep_numbers(figure, "layers", table)
    return figure


def _placed(axes: "Axes", blocks: Sequence[Block], width: float) -> list[float]:
    """Draw the outlines of blocks; return the upper edge of each layer's box."""
    tops, y = [], HEAD
    for block in blocks:
        start = y
        y += (HEAD + GAP / 2) if block.kind else 0
        for _ in block.nodes:
            tops.append(y)
            y += ROW + GAP
        if block.kind:
            _outline(axes, block, start, y - GAP / 2, width)
            y += GAP / 2
    return tops


def _shortcuts(nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """Return (from, to) of inputs that are not the node just above."""
    places = {node.name: index for index, node in enumerate(nodes)}
    return [
        (places[name], index)
        for index, node in enumerate(nodes)
        for name in node.inputs
        if name in places and places[name] < index - 1
    ]


def _lanes(edges: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return (from, to, lane) with lanes in which no two edges overlap, short ones inside."""
    placed: list[tuple[int, int, int]] = []
    for first, last in sorted(edges, key=lambda edge: edge[1] - edge[0]):
        taken = {lane for a, b, lane in placed if a < last and first < b}
        placed.append((first, last, next(n for n in range(len(edges)) if n not in taken)))
    return placed


def _layer(axes: "Axes", node: Node, top: float, left: float, right: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    colour = FAMILIES.get(node.op, GRAY)
    strong = node.op in FAMILIES
    style = "round,pad=0,rounding_size=0.05"
    for fill in (True, False):
        box = FancyBboxPatch((left, top), right - left, ROW, boxstyle=style, fill=fill)
        box.set(facecolor=colour, edgecolor=colour, linewidth=0 if fill else 1, zorder=2)
        box.set_alpha((0.22 if strong else 0.08) if fill else 1)
        axes.add_patch(box)
    name = say(NAMES.get(node.op, node.op))
    detail = DETAILS[node.op](node.layer) if node.op in DETAILS else ""
    middle = top + ROW / 2
    if node.op in ("add", "multiply"):
        _write(axes, (left + right) / 2, middle, name, ha="center", weight="bold")
        return
    _write(axes, left + 0.07, middle, name, weight="bold" if strong else "normal")
    if LETTER * (len(name) + len(detail)) + 0.14 < right - left:  # else there is no room
        _write(axes, right - 0.07, middle, detail, ha="right")


def _outline(axes: "Axes", block: Block, top: float, bottom: float, width: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch((0.03, top), width - 0.06, bottom - top, fill=False, linewidth=0.8)
    box.set(boxstyle="round,pad=0,rounding_size=0.08", edgecolor=GRAY, linestyle="--", zorder=1)
    axes.add_patch(box)
    text = f"{block.kind} × {block.repeats}" if block.repeats > 1 else block.kind
    _write(axes, width - 0.1, top + HEAD / 2 + 0.02, text, ha="right", weight="bold", color=GRAY)


def _arrow(axes: "Axes", points: list[tuple[float, float]]) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    arrow = FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=6, zorder=1)
    arrow.set(color=BLACK, linewidth=0.8, joinstyle="round")
    axes.add_patch(arrow)


def _write(axes: "Axes", x: float, y: float, text: str, **how: Any) -> None:
    if text:
        axes.text(x, y, plain(text), va="center", fontsize=SMALLEST, zorder=3, **how)


def _shape(node: Node) -> str:
    shape = node.shape[1:] if node.shape[:1] == (1,) else node.shape
    return "×".join(map(str, shape)) or "1"


def _kernel(layer: Any) -> str:
    window = getattr(layer, "images", layer).window  # a layer of signals contains one of images
    (height, width), stride = window.kernel, window.stride
    step = "" if stride in ((1, 1), window.kernel) else f" / {stride[-1]}"
    return f"{width}{step}" if hasattr(layer, "images") else f"{height}×{width}{step}"
