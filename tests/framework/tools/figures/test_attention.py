"""attention_maps: every head's weights, under one scale, with the tokens beside them."""

import numpy as np
import pytest

from firstlight import nn
from firstlight.tools.figures import attention_maps, attention_weights


def causal(heads, t):
    weights = np.tril(np.random.default_rng(0).random((heads, t, t)))
    return weights / weights.sum(axis=2, keepdims=True)


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_each_head_is_drawn_as_it_is_on_one_scale():
    weights = causal(5, 4)
    weights[0] *= 0.5
    figure = attention_maps(weights, list("ab c"), columns=3, title="block 0")
    shown = [axes for axes in figure.axes if axes.images and axes.get_title()]
    assert [axes.get_title() for axes in shown] == [f"head {k}" for k in range(5)]
    for axes, head in zip(shown, weights, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), head)
        assert axes.images[0].get_clim() == (0, weights.max())
    names = ["a", "b", "␣", "c"]
    assert [labels(axes.yaxis) for axes in shown] == [names, [], [], names, []]
    assert [labels(axes.xaxis) for axes in shown] == [[], [], names, names, names]
    assert figure.get_suptitle() == "block 0"
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False, True]


def test_cross_attention_has_keys_of_its_own():
    figure = attention_maps(np.ones((1, 2, 3)) / 3, ["to", "be\n"], keys=["sein", "oder", " nicht"])
    axes = figure.axes[0]
    assert labels(axes.yaxis) == ["to", "be↵"]
    assert labels(axes.xaxis) == ["sein", "oder", "␣nicht"]
    assert {label.get_rotation() for label in axes.xaxis.get_ticklabels()} == {90}


def test_many_tokens_are_numbered_instead():
    figure = attention_maps(causal(2, 64), ["word"] * 64, titles=["left", "right"])
    assert "word" not in labels(figure.axes[0].yaxis)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["left", "right"]


@pytest.mark.parametrize(
    ("shape", "titles", "message"),
    [
        (
            (4, 4),
            None,
            r"weights of shape \(H, 4, 4\) for 4 tokens and 4 keys, got \(4, 4\)",
        ),
        ((1, 2, 4, 4), None, r"got \(1, 2, 4, 4\); give one sample, e.g. weights\[0\]"),
        ((2, 4, 3), None, r"got \(2, 4, 3\)"),
        ((0, 4, 4), None, r"got \(0, 4, 4\)"),
        ((2, 4, 4), ["a"], "attention_maps: expected 2 titles, got 1"),
    ],
)
def test_bad_input(shape, titles, message):
    with pytest.raises(ValueError, match=message):
        attention_maps(np.zeros(shape), list("abcd"), titles=titles)


def test_weights_are_those_that_the_layers_used():
    first, second = (nn.MultiHeadAttention(8, 2, 0.5, is_causal=True) for _ in range(2))
    net = nn.Sequential(first, nn.Sequential(nn.Linear(8, 8), second)).train()
    x = np.random.default_rng(0).standard_normal((3, 5, 8), dtype="float32")
    found = attention_weights(net, x)
    names = {name: layer for name, layer in net.named_modules() if layer in (first, second)}
    assert list(found) == list(names)
    net.eval()
    inputs = x, net.layers[1].layers[0](first(x))
    for weights, layer, entering in zip(found.values(), (first, second), inputs, strict=True):
        assert weights.shape == (3, 2, 5, 5)
        np.testing.assert_allclose(weights.sum(axis=3), 1, rtol=1e-5)
        assert (weights == np.tril(weights)).all()
        np.testing.assert_array_equal(weights, layer.weights(entering))


def test_the_module_is_left_as_it_was():
    net = nn.Sequential(nn.MultiHeadAttention(8, 2)).train()
    x = np.ones((1, 3, 8), "float32")
    assert list(attention_weights(net.layers[0], x)) == ["attention"]
    with pytest.raises(ValueError, match="MultiHeadAttention"):
        attention_weights(net, np.ones((1, 3, 7), "float32"))
    assert "forward" not in vars(net.layers[0])
    assert (net.training, net.layers[0]._stack) == (True, [])
    assert attention_weights(nn.Linear(8, 2), x) == {}
