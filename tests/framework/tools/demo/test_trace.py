"""A model's forward as a graph: models of the package, of one's own, and those that are refused."""

import numpy as np
import pytest
from node import NO_NODE, NODE

from firstlight import Module, models, nn
from firstlight.tools.demo.javascript import run_in_node
from firstlight.tools.demo.trace import trace

RNG = np.random.default_rng(0)


def images(n):
    return RNG.standard_normal((n, 8, 8, 1), "float32")


def tokens(n, t):
    return RNG.integers(0, 7, (n, t))


MODELS = {
    "mlp": lambda: models.MLP(64, 10, hidden=(8,)),
    "cnn": lambda: models.CNN((8, 8, 1), 10, channels=(4, 8), hidden=(8,)),
    "resnet": lambda: models.ResNet((8, 8, 1), 10, depth=8, width=2),
    "vit": lambda: models.ViT((8, 8, 1), 10, embed_dim=8, depth=1, num_heads=2),
    "vit with a class token": lambda: models.ViT((8, 8, 1), 10, embed_dim=8, pool="token"),
    "rnn": lambda: models.RNN((8, 8, 1), 10, hidden=8),
}


class Own(Module):
    """What students write between layers."""

    def __init__(self):
        self.first, self.second = nn.Linear(32, 8), nn.Linear(8, 8)
        self.head = nn.Linear(16, 3)
        self.scale = 1 / 3

    def forward(self, x):  # x (N, 8, 8, 1)
        h = x[:, ::2].reshape(-1, 32) * self.scale  # (N, 32)
        h = np.tanh(self.first(h))
        h = h + self.second(h) @ np.eye(8, dtype="float32").T
        h -= h.mean(axis=-1, keepdims=True)
        h[:, 2:5] = np.maximum(h[:, 2:5], 0)
        return self.head(np.concatenate([h, h[:, ::-1].copy()], axis=1))


@pytest.mark.skipif(NODE is None, reason=NO_NODE)
def test_models_compute_the_same_in_javascript():
    made = {name: make() for name, make in MODELS.items()} | {"own": Own()}
    made["gpt"] = models.GPT(7, 12, n_layer=2, n_head=2, n_embd=8, bias=True)
    made["language model"] = nn.Sequential(nn.Embedding(7, 4), nn.LSTM(4, 5), nn.Linear(5, 7))
    made["polynomial"], made["constant"] = models.Polynomial(4), models.Polynomial(0)
    cases, expected = [], []
    for name, model in made.items():
        x, other = images(4), images(3)
        if name in ("gpt", "language model"):
            x, other = tokens(2, 9), tokens(3, 12)
        elif isinstance(model, models.Polynomial):
            x, other = (RNG.random((n, 1), "float32") for n in (4, 2))
        cases.append((trace(model, other, x), x, {}))
        expected.append(model.eval()(x))
    for name, found, y in zip(made, run_in_node(*cases), expected, strict=True):
        np.testing.assert_allclose(found, y.reshape(len(y), -1), rtol=1e-5, atol=2e-6, err_msg=name)


def test_a_shared_array_is_described_once():
    graph = trace(models.GPT(7, 12, n_layer=1, n_head=1, n_embd=4), tokens(2, 5), tokens(1, 7))
    table, *_, last = (node.description for node in graph.nodes if node.path in ("wte", "lm_head"))
    assert table.arrays["weight"] is last.arrays["weight"]


def test_tracing_leaves_the_model_as_it_was():
    model = models.MLP(64, 10)
    before = dict(vars(model))
    trace(model, images(3), images(2))
    assert vars(model) == before
    assert model.training
    model(images(2))
    model.backward(np.ones((2, 10), "float32"))


def refused(forward, x=None):
    """Return the message for a model with this forward, which has a layer `part`."""
    kind = type("Net", (Module,), {"forward": forward})
    model = kind()
    model.part = nn.Linear(64, 64)
    x = images if x is None else x
    with pytest.raises(ValueError, match="Net") as caught:
        trace(model, x(3), x(2))
    return str(caught.value)


def test_a_forward_that_decides_by_values_is_refused():
    told = refused(lambda net, x: x + 1 if x[0, 0, 0, 0] else x)
    where = told.removeprefix("Net: test_trace.py:").lstrip("0123456789")
    assert where.startswith(" takes a condition on the values of an array, which a demo cannot")
    assert "reshape, swapaxes, transpose, concatenate, mean, sum, max" in told


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (lambda net, x: np.sort(x, axis=1), "has no form in JavaScript"),
        (lambda net, x: np.sin(x), "has no form in JavaScript"),
        (lambda net, x: x.argmax(axis=1), "np.argmax (test_trace.py:"),
        (
            lambda net, x: np.asarray(x) + 1,
            "an array that is computed from the input becomes a constant",
        ),
        (lambda net, x: x * float(x[0, 0, 0, 0]), "takes float() of an array"),
        (lambda net, x: x.mean(axis=1, dtype="float64"), "JavaScript with these inputs"),
        (lambda net, x: x.astype("int64"), "makes int64 of an array"),
        (lambda net, x: x[:, [0, 2]], "an index that is neither a number nor a slice"),
        (lambda net, x: x + np.arange(len(x)).reshape(-1, 1, 1, 1), "in one pass, an array"),
        (lambda net, x: x[x > 0], "the shape of np.getitem (test_trace.py:"),
        (lambda net, x: x * len(x), "takes numbers made of a shape"),
        (lambda net, x: x - x.mean(), "takes the mean over samples"),
        (lambda net, x: x.reshape(-1, 2), "first axis is not that of the samples"),
        (lambda net, x: (net.part(x.reshape(-1, 64)), x), "forward returned tuple"),
        (lambda net, x: np.ones((2, 3)), "does not come from its input"),
    ],
)
def test_what_has_no_form_in_javascript_is_named(forward, why):
    assert why in refused(forward)


def test_the_module_inside_is_named():
    class Inner(Module):
        def forward(self, x):
            return np.sort(x, axis=1)

    told = ""
    try:
        trace(nn.Sequential(nn.Flatten(), Inner()), images(3), images(2))
    except ValueError as error:
        told = str(error)
    assert ") in 1 has no form in JavaScript. Write forward with layers" in told


def test_a_subclass_of_a_layer_is_followed():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * (x @ self.weight.data.T)

    graph = trace(Doubled(3, 2), np.ones((2, 3), "float32"), np.ones((1, 3), "float32"))
    assert [node.description.type for node in graph.nodes[-3:]] == [
        "matmul",
        "constant",
        "multiply",
    ]
