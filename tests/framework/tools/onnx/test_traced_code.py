"""Modules of users as ONNX files: what is recorded, and what is refused and how."""

import copy
import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn

onnx = pytest.importorskip("onnx", reason="needs onnx")

from firstlight.onnx import converter, to_onnx  # noqa: E402
from firstlight.tools.onnx import registry  # noqa: E402


class Of(fl.Module):
    """A module with a function as forward."""

    def __init__(self, function, *layers):
        self.function, self.layers = function, list(layers)

    def forward(self, *inputs):
        return self.function(self.layers, *inputs)


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def shifted(layers, x):
    y = np.zeros_like(x)
    y[:, 1:] = x[:, :-1]
    y[:, 0] += 1
    y *= 2
    return y


def unrolled(layers, x):
    h = np.zeros_like(x, shape=(len(x), 4))
    for t in range(x.shape[1]):
        h = layers[0](x[:, t], h)
    return h


def last_states(layers, x):
    layers[0](x)
    h, c = layers[0].state
    return h[-1] + c[0]


def joined(layers, x):
    y = layers[0](x)
    return layers[2](np.concatenate([y, layers[1](y)], axis=-1))


def softmax(layers, x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def padded(layers, x):
    return np.concatenate([x, np.zeros((len(x), 2), "float32")], axis=1)


def convolution(*channels):
    return nn.Conv2d(*channels, 3, padding=1)


FORWARDS = {
    "assignments": (shifted, [], floats(2, 4)),
    "loop over a cell": (unrolled, [nn.GRUCell(3, 4)], floats(2, 5, 3)),
    "states": (last_states, [nn.LSTM(3, 4, 2)], floats(2, 5, 3)),
    "skip by concatenation": (
        joined,
        [convolution(3, 4), convolution(4, 4), convolution(8, 2)],
        floats(2, 6, 6, 3),
    ),
    "softmax": (softmax, [], floats(2, 4)),
    "constant of varying size": (padded, [], floats(2, 4)),
    "weights by hand": (
        lambda layers, x: x @ layers[0].weight.data.T + layers[0].bias.data,
        [nn.Linear(4, 3)],
        floats(2, 4),
    ),
    "einsum": (lambda layers, x: np.einsum("nij,nkj->nik", x, x), [], floats(2, 5, 3)),
    "mean by hand": (lambda layers, x: x.sum(axis=1) / x.shape[1], [], floats(2, 5, 3)),
    "split": (lambda layers, x: np.multiply(*np.split(x, 2, axis=1)), [], floats(2, 4)),
    "batch moves": (
        lambda layers, x: x.reshape(len(x), 2, 2).transpose(1, 0, 2).reshape(-1, 2),
        [],
        floats(2, 4),
    ),
    "channels first": (
        lambda layers, x: layers[0](x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        [convolution(3, 4)],
        floats(2, 3, 6, 6),
    ),
    "indices": (lambda layers, x: x[:, [2, 0, 1]] + x[:, None, -1] * x[..., 1:], [], floats(2, 4)),
    "statistics": (
        lambda layers, x: (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + x.var()),
        [],
        floats(2, 4),
    ),
    "where and comparisons": (
        lambda layers, x: np.where((x > 0) & (x < 1), x**2, np.clip(x, -1, None) / 10),
        [],
        floats(2, 4),
    ),
    "attention weights": (
        lambda layers, x: layers[0].weights(x),
        [nn.MultiHeadAttention(8, 2, is_causal=True)],
        floats(2, 6, 8),
    ),
    "rotary, other lengths": (
        lambda layers, x: layers[0](x),
        [nn.MultiHeadAttention(8, 2, rotary=nn.RotaryPositions(4), is_causal=True)],
        floats(2, 6, 8),
    ),
    "a part of a larger table": (
        lambda layers, x: x + np.arange(4, like=x) + np.pad(x, ((0, 0), (1, 0)))[:, :4],
        [],
        floats(2, 4),
    ),
    "moved and stacked": (
        lambda layers, x: np.stack([np.moveaxis(x, 1, 2), np.flip(x, 1).swapaxes(1, 2)], axis=1),
        [],
        floats(2, 4, 3),
    ),
    "repeated": (
        lambda layers, x: np.tile(x, (1, 2)) + np.repeat(x, 2, axis=1) + np.roll(x, 1, 1).sum(),
        [],
        floats(2, 4),
    ),
    "triangle": (lambda layers, x: np.tril(x) - np.triu(x, 1), [], floats(2, 4, 4)),
}


@pytest.mark.filterwarnings("ignore:.*cannot run the file.*:UserWarning")  # in float64
@pytest.mark.parametrize("name", FORWARDS)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_what_numpy_computes_is_recorded(name, dtype, tmp_path):
    function, layers, x = FORWARDS[name]
    model = copy.deepcopy(Of(function, *layers)).to(dtype=dtype)
    done = model.to_onnx(tmp_path / "model.onnx", x.astype(dtype))
    assert done.inputs["input"][0] == "N"
    assert done.error < (1e-6 if dtype == "float32" else 1e-14)


def test_layouts_of_a_users_transpositions_cancel(tmp_path):
    function, layers, x = FORWARDS["channels first"]
    to_onnx(Of(function, *layers), tmp_path / "model.onnx", x)
    assert [n.op_type for n in onnx.load(tmp_path / "model.onnx").graph.node] == ["Conv"]


def test_outputs_in_a_dict_have_its_names(tmp_path):
    model = Of(lambda layers, x: {"sum": x.sum(axis=1), "y": layers[0](x)}, nn.Linear(4, 2))
    done = to_onnx(model, tmp_path / "model.onnx", floats(2, 4))
    assert done.outputs == {"output_sum": ("N",), "output_y": ("N", 2)}


def test_the_input_as_output(tmp_path):
    done = to_onnx(Of(lambda layers, x: (x, x)), tmp_path / "model.onnx", floats(2, 4))
    assert list(done.outputs) == ["output_0", "output_1"]


def refused(function, error, text, tmp_path, x=None):
    path = tmp_path / "model.onnx"
    with pytest.raises(error, match=text):
        to_onnx(Of(function), path, floats(2, 4) if x is None else x)
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:.*the file has the course that the sample takes")
def test_what_depends_on_values_is_refused(tmp_path):
    refused(
        lambda _, x: x * float(x.mean()), ValueError, r"multiply \(test_traced.*one pass", tmp_path
    )
    noise = np.random.default_rng(0).standard_normal
    refused(lambda _, x: x + noise(4), ValueError, "add .* an array .4,. in one pass", tmp_path)
    refused(lambda _, x: x * 2 if x[0, 0] > 0 else x * 3, ValueError, "one pass|N = ", tmp_path)


def test_a_condition_that_the_samples_do_not_decide_is_a_warning(tmp_path):
    model = Of(lambda _, x: x if np.isfinite(x).all() else x * 0)
    with pytest.warns(UserWarning, match=r"test_traced_code.py:\d+: a condition on the values"):
        to_onnx(model, tmp_path / "model.onnx", floats(2, 4))


def test_what_depends_on_the_batch_size_fixes_it(tmp_path):
    model = Of(lambda _, x: x / len(x) ** 0.5)
    with pytest.warns(UserWarning, match="samples is fixed to 2, that of x: np.divide"):
        done = to_onnx(model, tmp_path / "model.onnx", floats(2, 4))
    assert done.inputs == {"input": (2, 4)}


def test_what_depends_on_the_length_fixes_the_length_alone(tmp_path):
    model = Of(lambda _, x: x.sum(axis=1) / np.sqrt(x.shape[1]))
    assert to_onnx(model, tmp_path / "m.onnx", floats(2, 5, 3)).inputs == {"input": ("N", 5, 3)}


def test_functions_without_a_converter_are_named_with_their_line(tmp_path):
    text = r"np.floor_divide \(test_traced_code.py:\d+\) in the model .* firstlight.onnx.converter"
    refused(lambda _, x: x // 2, NotImplementedError, text, tmp_path)
    refused(lambda _, x: x.real, AttributeError, r"test_traced_code.py:\d+: real of", tmp_path)

    def masked(_, x):
        x = x * 1
        x[x < 0] = 0
        return x

    refused(masked, NotImplementedError, "setitem.*masks; use np.where", tmp_path)


def test_arrays_that_would_become_constants_are_refused(tmp_path):
    def copied(_, x):
        y = np.zeros((len(x), 4), "float32")
        y[:] = x
        return y

    refused(copied, TypeError, r"test_traced_code.py:\d+: .*\(np.zeros_like\(x", tmp_path)
    refused(lambda _, x: np.ones(3), ValueError, "the same for all inputs", tmp_path)


def test_a_view_that_is_changed_is_found_by_the_comparison(tmp_path):
    def through_a_view(_, x):
        y = x * 1
        first = y[:, 0]
        first += 5
        return y

    refused(through_a_view, ValueError, "differs from NumPy.*views of arrays.*written", tmp_path)


def test_the_first_layer_that_differs_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._layers, nn.Tanh, lambda g, layer, x: g.unary("Sigmoid", x))
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=r"first layer that differs is 1 \(Tanh\), by .*Nothing"):
        to_onnx(net, path, floats(2, 4))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_converter_of_a_users_layer(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_layers", dict(registry._layers))

    class Halves(fl.Module):
        def forward(self, x):
            return x // 0.5

    class Other(Halves):
        def forward(self, x):
            return super().forward(x) + 1

    @converter(Halves)
    def halves(graph, layer, x):
        return graph.unary("Floor", graph.elementwise("Mul", x, graph.value(2, x.dtype)))

    assert to_onnx(Halves(), tmp_path / "m.onnx", floats(2, 4)).error == 0
    with pytest.raises(NotImplementedError, match="floor_divide"):
        to_onnx(Other(), tmp_path / "m.onnx", floats(2, 4))


def test_bad_arguments(tmp_path, monkeypatch):
    net = nn.Linear(4, 2)
    with pytest.raises(
        ValueError, match=r"Linear.to_onnx: expected a file name that ends in .onnx"
    ):
        net.to_onnx(tmp_path / "net.pt", floats(2, 4))
    with pytest.raises(ValueError, match="an array of one sample or more, got shape"):
        net.to_onnx(tmp_path / "net.onnx", floats(0, 4))
    with pytest.raises(ValueError, match="in_features.*got shape"):
        net.to_onnx(tmp_path / "net.onnx", floats(2, 5))
    with pytest.raises(ValueError, match="an array of one sample or more, got tuple; pass"):
        net.to_onnx(tmp_path / "net.onnx", [[0.0] * 4] * 2)
    with pytest.raises(TypeError, match="expected x, an array.*got a dict; give forward"):
        net.to_onnx(tmp_path / "net.onnx", {"x": floats(2, 4)})
    monkeypatch.setattr("firstlight.tools.onnx.exporting.LARGEST", 30)
    with pytest.raises(ValueError, match="an ONNX file holds less than 2 GiB"):
        net.to_onnx(tmp_path / "net.onnx", floats(2, 4))
    assert list(tmp_path.iterdir()) == []


def test_metadata_say_what_the_file_is(tmp_path):
    net = fl.models.MLP(64, 10)
    fl.Trainer(max_steps=1, callbacks=[], runs_dir=None).fit(net, fl.datasets.load("digits"))
    to_onnx(net, tmp_path / "net.onnx", floats(2, 8, 8, 1), metadata={"run": "a/b"})
    model = onnx.load(tmp_path / "net.onnx")
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["run"] == "a/b"
    assert found["firstlight"] == model.producer_version == fl.__version__
    assert found["model"] == "firstlight.models.mlp:MLP"
    assert json.loads(found["classes"]) == [str(n) for n in range(10)]
    assert json.loads(found["preprocessing"])["inputs"]["scale"]["high"] == 16
    assert json.loads(found["inputs"]) == {"input": {"shape": ["N", 8, 8, 1], "dtype": "float32"}}
    assert model.opset_import[0].version == 20


@pytest.mark.parametrize(
    "draw", [np.random.normal, lambda size: fl.rng.stream("init").normal(0, 1, size)]
)
def test_random_outputs_are_refused(draw, tmp_path):
    noisy = Of(lambda layers, x: x + draw(size=4).astype("float32"))
    with pytest.raises(ValueError, match="draws random numbers in evaluation mode"):
        to_onnx(noisy, tmp_path / "m.onnx", floats(2, 4))
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_not_finite(tmp_path):
    net = nn.Linear(4, 2)
    x = floats(3, 4)
    x[0] = np.nan  # an example only
    assert net.to_onnx(tmp_path / "net.onnx", x).error > 0  # of other numbers than NaN
    assert net.to_onnx(tmp_path / "net.onnx", x * np.nan).error > 0
    net.weight.data[0, 0] = np.nan
    with pytest.warns(UserWarning, match="outputs are NaN, in the file as in NumPy"):
        net.to_onnx(tmp_path / "net.onnx", floats(3, 4))
