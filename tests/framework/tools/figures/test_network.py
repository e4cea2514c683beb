"""network_diagram, and the folding of repeated blocks that it draws."""

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

import firstlight as fl
from firstlight import nn
from firstlight.tools.figures import network_diagram, numbers
from firstlight.tools.figures.network import _lanes
from firstlight.tools.folded_graph import folded
from firstlight.tools.language import speaking
from firstlight.tools.layer_graph import model_graph

IMAGES = np.ones((2, 32, 32, 3), "float32")


def blocks(module, x):
    return [
        (block.kind, block.repeats, len(block.nodes)) for block in folded(model_graph(module, x))
    ]


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_blocks_of_a_gpt_are_folded_and_dropout_is_left_out():
    net = fl.models.GPT(11, 8, n_layer=5, n_head=2, n_embd=8, dropout=0.5)
    assert blocks(net, np.zeros((2, 8), "int64")) == [("", 1, 5), ("Block", 5, 8), ("", 1, 2)]


def test_blocks_of_other_sizes_are_not_folded_together():
    found = blocks(fl.models.ResNet((32, 32, 3), 10), IMAGES)
    assert found[1:-1] == [("Block", n, 7) for n in (3, 1, 2, 1, 2)]


def test_blocks_that_are_wired_otherwise_are_not_folded_together():
    class Twice(fl.Module):
        def __init__(self, swap):
            self.one, self.two, self.swap = nn.Tanh(), nn.Tanh(), swap

        def forward(self, x):
            y = self.one(x)
            return self.two(x) + y if self.swap else self.two(y) + x

    x = np.ones((2, 3), "float32")
    net = nn.Sequential(*(Twice(swap) for swap in (False, False, True, False)))
    assert [(k, n) for k, n, _ in blocks(net, x)][1:] == [("Twice", n) for n in (2, 1, 1)]


def test_inputs_from_a_folded_block_are_those_of_the_first():
    body = [nn.Residual(nn.Linear(4, 4)) for _ in range(3)]
    last = folded(model_graph(nn.Sequential(*body, nn.ReLU()), np.ones((2, 4), "float32")))[-1]
    assert last.nodes[0].inputs == ["Residual_0/add"]


def test_what_a_diagram_says():
    figure = network_diagram(
        fl.models.CNN((28, 28, 1), 10, channels=(8, 16)), IMAGES[:, :28, :28, :1]
    )
    said = texts(figure)
    assert {"Conv2d", "3×3, 8→16", "14×14×16", "1,168", "MaxPool2d", "2×2"} <= set(said)
    table = numbers(figure)["layers"]
    assert table["type"].tolist()[:4] == ["Placeholder", "Conv2d", "BatchNorm2d", "ReLU"]
    assert table["parameters"].sum() == 103_066
    assert "in all 103,066 parameters" in said


def test_shared_weights_count_once_in_all_and_shortcuts_are_drawn():
    net = fl.models.GPT(11, 8, n_layer=2, n_head=2, n_embd=8)
    figure = network_diagram(net, np.zeros((2, 8), "int64"))
    total = sum(parameter.size for parameter in net.parameters())
    assert f"in all {total:,} parameters" in texts(figure)
    assert {"Block × 2", "Attention", "2 heads"} <= set(texts(figure))
    arrows = figure.findobj(FancyArrowPatch)
    bent = [arrow for arrow in arrows if len(arrow.get_path().vertices) > 4]
    assert len(bent) >= 5  # two embeddings and their sum, two shortcuts


def test_german():
    with speaking("de"):
        said = texts(network_diagram(fl.models.MLP(4, 3, hidden=(5,)), np.ones((2, 4), "float32")))
    assert {"Eingabe", "Ausgabe", "Parameter", "insgesamt 53 Parameter"} <= set(said)


@pytest.mark.parametrize("edges", [[], [(0, 3), (1, 2), (3, 5)], [(0, 4), (1, 5), (2, 6)]])
def test_shortcuts_beside_each_other_do_not_overlap(edges):
    placed = _lanes(edges)
    assert sorted((a, b) for a, b, _ in placed) == sorted(edges)
    for a, b, lane in placed:
        for c, d, other in placed:
            assert (a, b) == (c, d) or lane != other or b <= c or d <= a


def test_layers_of_signals_are_single_boxes():
    net = nn.Sequential(nn.Conv1d(1, 8, 5), nn.MaxPool1d(3, 2), nn.AdaptiveAvgPool1d(1))
    signals = np.ones((2, 32, 1), "float32")
    assert [node.op for node in model_graph(net, signals)][1:] == [
        *("Conv1d", "MaxPool1d", "AdaptiveAvgPool1d")
    ]
    said = texts(network_diagram(net, signals))
    assert {"5, 1→8", "3 / 2", "28×8", "48"} <= set(said)
