"""The pages of language models, curves and tables, and the JavaScript that only they have."""

import json
import re

import numpy as np
import pytest
from node import NO_NODE, NODE, returned

from firstlight import datasets, models, nn
from firstlight.data.splits import DataSplits
from firstlight.data.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer
from firstlight.tools.demo import make_demo
from firstlight.tools.demo.javascript import HERE, engine, network
from firstlight.tools.demo.trace import trace

needs_node = pytest.mark.skipif(NODE is None, reason=NO_NODE)
TEXT = "The café's 25 naïve cats -- don't they purr?\n\n  So they do; 3² = 9. Ünder_score "
TEXT += "日本 🙂\tend \n"


def facts_of(demo):
    return json.loads(re.search(r"^const facts = (.*);$", demo.html, re.M)[1])


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("text") / "cats.txt"
    file.write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 40)
    return datasets.load("text", path=str(file), block_size=16)


def gpt(text):
    return models.GPT(text.tokenizer.vocab_size, 16, n_layer=2, n_head=2, n_embd=8)


def test_the_page_of_a_language_model(text):
    demo = make_demo(gpt(text), text)
    facts = facts_of(demo)
    assert (demo.kind, demo.metric, facts["limit"]) == ("text", "loss", 16)
    assert facts["tokenizer"]["characters"] == text.tokenizer.characters
    assert facts["prompt"].startswith("the ")
    assert "layers.MultiHeadAttention" in demo.html


@needs_node
@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer(TEXT),
        ByteTokenizer(),
        BPETokenizer.train([TEXT * 3, "they they the then"], 300),
    ],
)
def test_tokenizers_give_the_same_tokens(tokenizer):
    facts = {"tokenizer": {"name": tokenizer.name, **tokenizer.state_dict()}}
    script = f"const facts = {json.dumps(facts)};" + (HERE / "page/tokenizer.js").read_text("utf-8")
    script += f"const tokens = encode({json.dumps(TEXT)}); return [tokens, decodeText(tokens)];"
    assert returned(script) == [tokenizer.encode(TEXT).tolist(), TEXT]


def made(graph, script):
    """Return what a script gives that finds the network in `model`."""
    return returned(
        f"{engine(graph)}; const model = new Model({json.dumps(network(graph))}); {script}"
    )


LANGUAGE_MODELS = {
    "gpt": lambda: models.GPT(7, 16, n_layer=2, n_head=2, n_embd=8),
    "lstm": lambda: nn.Sequential(nn.Embedding(7, 4), nn.LSTM(4, 5, 2), nn.Linear(5, 7)),
    "gru": lambda: nn.Sequential(nn.Embedding(7, 4), nn.GRU(4, 5), nn.Linear(5, 7)),
    "waves": lambda: nn.Sequential(
        nn.Embedding(7, 4), nn.SinusoidalPositions(4), nn.MultiHeadAttention(4, 2, is_causal=True)
    ),
    "rotary": lambda: nn.Sequential(
        nn.Embedding(7, 4),
        nn.MultiHeadAttention(4, 1, is_causal=True, rotary=nn.RotaryPositions(4)),
    ),
}


@needs_node
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_reading_in_parts_gives_what_reading_at_once_gives(name):
    model, tokens = LANGUAGE_MODELS[name](), np.random.default_rng(0).integers(0, 7, (1, 12))
    graph = trace(model, tokens[:, :5], tokens)
    script = f"const tokens = {tokens[0].tolist()}, found = []; model.restart();"
    script += "for (const [a, b] of [[0, 4], [4, 5], [5, 12]]) {"
    script += "const x = Float32Array.from(tokens.slice(a, b));"
    script += "found.push(...model.extend(new Arr([1, b - a], x)).data); }"
    script += "const shape = model.nodes[model.output].value.shape; return [found, shape];"
    found, shape = made(graph, script)
    y = model.eval()(tokens)
    assert shape == list(y.shape)  # what the pictures show
    np.testing.assert_allclose(np.float32(found), y.ravel(), rtol=1e-4, atol=2e-6)


def regression(n=12):
    x = np.linspace(-1, 1, n, dtype="float32")[:, None]
    return DataSplits((x, np.sin(3 * x)), val=(x, np.sin(3 * x)), name="sine")


def test_the_page_of_a_curve():
    demo = make_demo(models.Polynomial(3), datasets.load("polynomial"))
    facts = facts_of(demo)
    assert (demo.kind, demo.metric, facts["range"]) == ("curve", "loss", [0, 1])
    assert len(facts["points"]) == 10


ACTIVATIONS = [
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Softplus, nn.GELU),
    lambda: nn.BatchNorm1d(6),
]


@needs_node
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_in_javascript_gives_the_lessons_gradients(activation):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(1, 6), activation(), nn.Linear(6, 2))
    x, dy = rng.standard_normal((5, 1), "float32"), rng.standard_normal((5, 2), "float32")
    graph = trace(model, x, x[:3])
    y, g = (f"new Arr({list(a.shape)}, Float32Array.from({a.ravel().tolist()}))" for a in (x, dy))
    script = f"model.forward({y}); let dy = {g}; const found = [];"
    script += "for (const { layer } of model.nodes.slice(1).reverse()) { dy = layer.backward(dy);"
    script += "if (layer.grad) found.unshift(...layer.grad.weight.data, ...layer.grad.bias.data); }"
    found = made(graph, script + "return found;")
    model.eval(keep_backward=True)
    model(x)
    model.backward(dy)
    expected = np.concatenate([p.grad.ravel() for p in model.parameters()])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def table(classes):
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (40, 3))
    y = (x[:, 0] > 5).astype(int) if classes else x @ [[1.0], [2], [0]]
    names = ["small", "large"] if classes else None
    return datasets.arrays.from_arrays(x, y, classes=names, regression=not classes, name="table")


@pytest.mark.parametrize("classes", [True, False])
def test_the_page_of_a_table(classes):
    data = table(classes)
    task = "classification" if classes else "regression"
    demo = make_demo(models.MLP(3, 1 + classes, hidden=(4,), task=task), data)
    facts = facts_of(demo)
    assert (demo.kind, demo.metric) == ("table", "accuracy" if classes else "loss")
    assert [column["name"] for column in facts["columns"]] == ["x0", "x1", "x2"]
    column = facts["columns"][0]
    assert column["low"] < column["middle"] < column["high"]
    x = data.train[np.arange(len(data.train))][0]
    raw = x[:, 0] * column["std"] + column["mean"]  # as they were before they were scaled
    assert raw.min() == pytest.approx(column["low"])
    assert 3 < raw.mean() < 7


def test_one_class_is_always_right():
    x = np.random.default_rng(0).normal(0, 1, (40, 3))
    data = datasets.arrays.from_arrays(x, np.zeros(40, int), classes=["cat"], name="cats")
    demo = make_demo(models.MLP(3, 1, hidden=(4,)), data)
    assert (demo.metric, demo.before) == ("accuracy", 1)
    assert facts_of(demo)["activation"] == "softmax"  # 1 probability, not those of no and yes


def test_a_model_of_other_classes_is_refused():
    for scores in (1, 3):
        data = table(True) if scores == 3 else datasets.load("digits")
        inputs = int(np.prod(data.input_shape))
        with pytest.raises(ValueError, match=rf"MLP: expected \d+ scores .* \({scores},\); is it"):
            make_demo(models.MLP(inputs, scores, hidden=(4,)), data)
    make_demo(models.MLP(3, 1, hidden=(4,)), table(True))  # one score for two classes


def test_arguments_of_other_types():
    model, data = models.MLP(3, 2, hidden=(4,)), table(True)
    with pytest.raises(TypeError, match="data: expected a DataSplits, .* got str"):
        make_demo(model, "digits")
    with pytest.raises(TypeError, match="model: expected a Module, .* got the class MLP"):
        make_demo(models.MLP, data)


def test_a_page_is_written_where_it_can_be(tmp_path):
    demo = make_demo(models.Polynomial(3), datasets.load("polynomial"))
    demo.write(tmp_path / "new folder" / "a page.html")
    assert (tmp_path / "new folder" / "a page.html").read_text("utf-8") == demo.html
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="file is a file, so it cannot be a folder for"):
        demo.write(tmp_path / "file" / "page.html")
    with pytest.raises(IsADirectoryError, match="expected the name of a file, got a folder"):
        demo.write(tmp_path)


def test_one_sample_is_too_few():
    one = np.zeros((1, 3), "float32"), np.array([0])
    data = DataSplits(one, val=one, classes=["a", "b"], name="few")
    with pytest.raises(ValueError, match="few: expected two val samples or more, .* got 1"):
        make_demo(models.MLP(3, 2, hidden=(4,)), data)
