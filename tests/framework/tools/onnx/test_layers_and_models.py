"""Every case of the layer table and every model as an ONNX file, run again and compared."""

import collections

import numpy as np
import pytest
from layer_table import CASES

import firstlight as fl
from firstlight import nn

onnx = pytest.importorskip("onnx", reason="needs onnx")

from firstlight.onnx import to_onnx  # noqa: E402
from firstlight.tools.onnx.registry import converted_layers  # noqa: E402

# Their check of the targets refuses random numbers, which are no probabilities.
REFUSED = {
    *("CrossEntropyLoss, probabilities", "CrossEntropyLoss, probabilities, each"),
    *(f"NLLLoss, probabilities, {reduction}" for reduction in ("mean", "sum", "none")),
}
# Losses that a file could not compute: their targets are limited, or samples are compared.
ONLY_TRAIN = {"KLDivLoss", "DiceLoss", "TripletMarginLoss", "ContrastiveLoss", "NTXentLoss"}
# A mask for 3 samples is part of the module.
FIXED = {"MultiHeadAttention, additive mask of heads", "MultiHeadAttention, cross, masked"}
TRACED = {  # made of other layers, or lessons of a few NumPy functions
    *("Sequential", "Residual", "Concatenate", "FeedForward", "SwiGLU"),
    *("Conv1d", "ConvTranspose1d", "MaxPool1d", "AvgPool1d", "AdaptiveAvgPool1d"),
    *("WeightNorm", "SpectralNorm"),
    *("TransformerEncoderLayer", "TransformerDecoderLayer"),
    *("CrossEntropyLoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss", "HuberLoss"),
    *("NLLLoss", "GaussianNLLLoss"),
}


def runtime():
    found = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    return f"onnxruntime {found.__version__}"


def with_statistics(layer):
    """Replace running statistics, which are 0 and 1 at first, by others."""
    rng = np.random.default_rng(1)
    for _, buffer in layer.named_buffers():
        buffer.data[...] = rng.random(buffer.data.shape) + 0.5
    return layer


def feed(path, *inputs):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def counts(path):
    return collections.Counter(node.op_type for node in onnx.load(path).graph.node)


EXPORTED = [case for case in CASES if case.name.partition(",")[0] not in ONLY_TRAIN]


@pytest.mark.parametrize("case", EXPORTED, ids=lambda case: case.name)
def test_a_case_of_the_layer_table(case, tmp_path):
    layer = with_statistics(case.make())
    x = tuple(case.inputs(np.random.default_rng(0)))
    path = tmp_path / "layer.onnx"
    if case.name in REFUSED:
        with pytest.raises(ValueError, match="expected class probabilities"):
            to_onnx(layer, path, x)
        return
    if case.name in FIXED:
        with pytest.warns(UserWarning, match="the number of samples is fixed to 3"):
            done = to_onnx(layer, path, x)
    else:
        done = to_onnx(layer, path, x)
        assert done.inputs[next(iter(done.inputs))][0] == "N"
    assert done.error < 1e-6
    assert done.runtime == runtime()
    layer.eval()
    found, expected = feed(path, *x)[0], layer(*x)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_every_layer_has_a_converter_or_is_traced():
    layers = {name for name in nn.__all__ if name not in ("init", "KeyValueCache")}
    converted = {kind.__name__ for kind in converted_layers()}
    assert layers - converted == TRACED | ONLY_TRAIN
    assert not converted & TRACED


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


MODELS = {
    "cnn": (lambda: fl.models.CNN((28, 28, 1), 10, channels=(8, 8)), floats(2, 28, 28, 1)),
    "gpt": (
        lambda: fl.models.GPT(11, 8, n_layer=2, n_head=2, n_embd=8),
        np.arange(10).reshape(2, 5),
    ),
    "lenet5": (lambda: fl.models.LeNet5((28, 28, 1), 10), floats(2, 28, 28, 1)),
    "mlp": (lambda: fl.models.MLP(64, 10), floats(2, 8, 8, 1)),
    "polynomial": (lambda: fl.models.Polynomial(5), floats(2, 1)),
    "constant": (lambda: fl.models.Polynomial(0), floats(2, 1)),
    "resnet": (lambda: fl.models.ResNet((8, 8, 1), 3), floats(2, 8, 8, 1)),
    "lstm": (lambda: fl.models.RNN((8, 8, 1), 5, hidden=6, num_layers=2), floats(2, 8, 8, 1)),
    "gru": (lambda: fl.models.RNN((4, 3), 5, hidden=6, kind="gru"), floats(2, 4, 3)),
    "rnn": (lambda: fl.models.RNN((4, 3), 5, hidden=6, kind="rnn"), floats(2, 4, 3)),
    "vit": (lambda: fl.models.ViT((8, 8, 1), 3, patch_size=4), floats(2, 8, 8, 1)),
    "vit, token": (lambda: fl.models.ViT((8, 8, 1), 3, depth=2, pool="token"), floats(2, 8, 8, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model(name, tmp_path):
    make, x = MODELS[name]
    model, path = with_statistics(make()), tmp_path / "model.onnx"
    done = model.to_onnx(path, x)
    assert done.runtime == runtime()
    assert done.error < 2e-6
    many = np.concatenate([x, x[::-1], x])
    found, expected = feed(path, many)[0], model.eval()(many)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_every_model_is_here():
    assert set(fl.plugins.registry("model").names()) <= set(MODELS)


@pytest.mark.parametrize(("name", "most"), [("cnn", 2), ("lenet5", 2), ("resnet", 1), ("mlp", 0)])
def test_images_are_transposed_at_the_ends_only(name, most, tmp_path):
    make, x = MODELS[name]
    make().to_onnx(tmp_path / "model.onnx", x)
    found = counts(tmp_path / "model.onnx")
    assert found["Transpose"] == most
    assert found["Conv"] == {"cnn": 2, "lenet5": 2, "resnet": 19, "mlp": 0}[name]


def test_a_gpt_takes_other_lengths_and_keeps_tied_weights_once(tmp_path):
    model, path = fl.models.GPT(300, 16, n_layer=1, n_head=2, n_embd=32), tmp_path / "gpt.onnx"
    done = model.to_onnx(path, np.arange(24).reshape(2, 12))
    assert done.inputs == {"input": ("N", "T")}
    assert done.outputs == {"output": ("N", "T", 300)}
    model.eval()
    for length in (1, 3, 16):
        tokens = np.random.default_rng(0).integers(0, 300, (4, length))
        np.testing.assert_allclose(feed(path, tokens)[0], model(tokens), atol=1e-5)
    weights = sum(parameter.data.nbytes for parameter in model.parameters())
    assert path.stat().st_size < weights + 20_000
    assert [a.name for a in onnx.load(path).graph.initializer].count("wte.weight") == 1


def test_states_of_a_recurrent_layer_are_inputs(tmp_path):
    layer, path = nn.LSTM(3, 4, 2), tmp_path / "lstm.onnx"
    x, h, c = floats(7, 5, 3), floats(2, 7, 4), 2 * floats(2, 7, 4)
    done = to_onnx(layer, path, (x, (h, c)))
    assert list(done.inputs.values()) == [("N", "T", 3), (2, "N", 4), (2, "N", 4)]
    np.testing.assert_allclose(feed(path, x, h, c)[0], layer.eval()(x, (h, c)), atol=1e-6)


WINDOWS = {
    "uneven padding": (nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(3, 1)), (2, 5, 6, 2)),
    "output_padding of a stride": (
        nn.ConvTranspose2d(4, 2, (3, 1), (1, 2), (0, 1), (1, 1), 2, dilation=(2, 1)),
        (2, 3, 11, 4),
    ),
    "output_padding beyond the padding": (
        nn.ConvTranspose2d(1, 2, 2, 1, output_padding=1, dilation=2),
        (2, 3, 3, 1),
    ),
    "a pool that ends far outside": (
        nn.MaxPool2d((4, 1), padding=(2, 0), dilation=2, ceil_mode=True),
        (2, 9, 8, 3),
    ),
    "a pool with a rest": (nn.AvgPool2d(3, 2, 1, True, True), (2, 4, 5, 2)),
    "cells that overlap": (nn.AdaptiveAvgPool2d((3, 7)), (2, 7, 5, 2)),
    "smaller and larger": (nn.Upsample((2, 9), mode="bilinear"), (2, 7, 5, 2)),
    "one row": (nn.Upsample((1, 3), mode="bilinear", align_corners=True), (2, 4, 5, 2)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_that_onnx_has_not_as_they_are(name, tmp_path):
    layer, shape = WINDOWS[name]
    done = to_onnx(layer, tmp_path / "layer.onnx", floats(*shape))
    assert done.runtime == runtime()
    assert done.error < 1e-6


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "gpt"])
def test_float64(name, tmp_path):
    make, x = MODELS[name]
    x = x.astype("float64") if x.dtype == "float32" else x
    model = make().to(dtype="float64")
    if name == "mlp":
        done = model.to_onnx(tmp_path / "model.onnx", x)
    else:
        with pytest.warns(UserWarning, match="onnxruntime .* cannot run the file.*float64"):
            done = model.to_onnx(tmp_path / "model.onnx", x)
    assert done.error < 1e-9  # an attribute such as epsilon is a float32


@pytest.mark.parametrize("name", ["cnn", "lstm"])
def test_without_onnxruntime_the_evaluator_of_onnx_compares(name, tmp_path, monkeypatch):
    monkeypatch.setattr("firstlight.tools.onnx.check.installed", lambda module: False)
    make, x = MODELS[name]
    done = make().to_onnx(tmp_path / "model.onnx", x)
    assert done.runtime.startswith("the evaluator of onnx")
    assert done.error < 1e-6


def test_dropout_is_left_out_and_a_training_is_not_disturbed(tmp_path):
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9), nn.MultiHeadAttention(4, 2)).train()
    x, dy = floats(2, 3, 4), floats(2, 3, 4)
    fl.seed_everything(0)
    net(x)
    stacks = [list(part._stack) for part in net.modules()]
    net.to_onnx(tmp_path / "net.onnx", x)
    assert [list(part._stack) for part in net.modules()] == stacks
    assert all(part.training for part in net.modules())
    assert net.backward(dy).shape == x.shape
    assert not {"Dropout", "RandomUniform"} & set(counts(tmp_path / "net.onnx"))


def test_names_of_parameters_and_of_the_graph_do_not_collide(tmp_path):
    class Named(fl.Module):
        def __init__(self):
            self.input, self.output = fl.Parameter(floats(3)), fl.Parameter(floats(3))

        def forward(self, x):
            return x * self.input.data + self.output.data

    model, x = Named(), floats(2, 3)
    assert model.to_onnx(tmp_path / "m.onnx", x).error < 1e-6
    names = {tensor.name for tensor in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert names == {"input_2", "output_2"}
