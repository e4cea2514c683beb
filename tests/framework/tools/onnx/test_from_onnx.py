"""from_onnx: files of to_onnx and of others as modules."""

import numpy as np
import pytest
from layer_table import CASES

import firstlight as fl
from firstlight import nn, optim
from firstlight.support.gradcheck import check_gradients

onnx = pytest.importorskip("onnx", reason="needs onnx")

from onnx import helper, numpy_helper  # noqa: E402

from firstlight.onnx import from_onnx, to_onnx  # noqa: E402
from firstlight.tools.onnx import wired  # noqa: E402

UNREADABLE = (  # written as operators that are no layers: products of activations, parts, means
    *("MultiHeadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"),
    *("SinusoidalPositions", "RotaryPositions", "RMSNorm", "GroupNorm", "AdaptiveAvgPool"),
    *("RNN, bidirectional", "GRU, bidirectional", "LSTM, bidirectional"),
    *("BatchNorm1d, untracked", "BatchNorm2d, untracked", "Softplus, sharp"),
    *("AvgPool2d, ceil_mode", "AvgPool1d, ceil_mode", "Upsample, smaller"),
)
MODULES = [  # one of each layer, and the others as slow tests
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] * ("," in case.name))
    for case in CASES
    if not case.is_loss
]


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def agree(found, expected):
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:.*the number of samples is fixed")
@pytest.mark.parametrize("case", MODULES)
def test_a_layer_comes_back(case, tmp_path):
    layer, path = case.make(), tmp_path / "layer.onnx"
    (x,) = case.inputs(np.random.default_rng(0))
    to_onnx(layer, path, x)
    if case.name.startswith(UNREADABLE) or case.name == "Upsample, bilinear":
        with pytest.raises(ValueError, match=r"layer.onnx: node .* has the operator"):
            from_onnx(path)
        return
    again = from_onnx(path)
    assert not again.training
    agree(again(x), layer.eval()(x))
    if not isinstance(layer, (nn.Residual, nn.Concatenate, nn.SwiGLU, nn.SiLU)):
        assert isinstance(again, nn.Sequential)


MODELS = {
    "cnn": (lambda: fl.models.CNN((8, 8, 1), 10, channels=(8, 8)), floats(2, 8, 8, 1)),
    "lenet5": (lambda: fl.models.LeNet5((28, 28, 1), 10), floats(2, 28, 28, 1)),
    "mlp": (lambda: fl.models.MLP(64, 10), floats(2, 8, 8, 1)),
    "resnet": (lambda: fl.models.ResNet((8, 8, 1), 3, depth=8, width=4), floats(2, 8, 8, 1)),
    "lstm": (lambda: fl.models.RNN((8, 8, 1), 5, hidden=6, num_layers=2), floats(2, 8, 8, 1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_and_can_be_trained_and_saved(name, tmp_path):
    make, x = MODELS[name]
    model = make()
    model.to_onnx(tmp_path / "model.onnx", x)
    again = from_onnx(tmp_path / "model.onnx")
    more = np.concatenate([x, 2 * x])
    agree(again(more), model.eval()(more))
    again.save(tmp_path / "again.safetensors")
    agree(fl.load(tmp_path / "again.safetensors")(x), model(x))
    again.train()
    optimizer = optim.SGD(again.parameters(), lr=0.01)
    again.backward(np.ones_like(again(x)))
    optimizer.step()
    assert not np.array_equal(again.eval()(x), model(x))


def test_the_layers_of_a_cnn_are_its_own_without_permutations(tmp_path):
    make, x = MODELS["cnn"]
    make().to_onnx(tmp_path / "model.onnx", x)
    kinds = [type(layer).__name__ for layer in from_onnx(tmp_path / "model.onnx")]
    block = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert kinds == [*block, *block, "Flatten", "Linear", "ReLU", "Linear"]


def test_the_preprocessing_comes_back(tmp_path):
    data, net = fl.datasets.load("digits"), fl.models.MLP(64, 10)
    trainer = fl.Trainer(max_steps=3, callbacks=[], runs_dir=None)
    trainer.fit(net, data)
    net.to_onnx(tmp_path / "net.onnx", floats(2, 8, 8, 1))
    again = from_onnx(tmp_path / "net.onnx")
    assert again._preprocessing.to_dict() == net._preprocessing.to_dict()


def test_wired_modules_have_their_gradients():
    layers = [
        wired.Permute(0, 2, 1),  # (N, 4, 3)
        nn.Linear(3, 3),
        wired.Multiply(),
        wired.Add(),
        wired.Concatenate(1),  # (N, 8, 3)
        wired.Slice(1, 1, None, 2),  # (N, 4, 3)
        wired.Select(2, -1),
    ]
    reads = [(0,), (1,), (1, 2), (3, 2), (4, 1), (5,), (6,)]
    module = wired.Wired(layers, reads)
    x = floats(5, 3, 4)
    check_gradients(module, x)
    a = x.transpose(0, 2, 1)
    b = layers[1].eval()(a)
    np.testing.assert_allclose(
        module.eval()(x), np.concatenate([a * b + b, a], axis=1)[:, 1::2, -1], rtol=1e-6
    )
    assert repr(wired.Slice(1, 0, None)) == "Slice(1, 0, None, None)"


def test_wrong_wiring_and_shapes_are_errors():
    with pytest.raises(ValueError, match="Wired: expected layers that read earlier slots"):
        wired.Wired([nn.ReLU(), nn.ReLU()], [(1,), (0,)])
    for kind in (wired.Add, wired.Multiply):
        with pytest.raises(ValueError, match=r"expected two arrays of one shape, got \(2,\)"):
            kind()(np.ones(2), np.ones(3))


# --- files of other programs -------------------------------------------------------------------


def write(path, nodes, shapes, constants=(), opset=17):
    """Write a file whose input is x, and whose output is y."""
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    ]
    tensors = [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(constants).items()]
    graph = helper.make_graph(nodes, "other", values[:1], values[1:], tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("theirs", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    onnx.save(model, path)
    return path


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], name=f"the_{op}", **attributes)


def evaluated(path, x):
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, {"x": x})[0]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_automatic_and_uneven_padding(mode, tmp_path):
    w = floats(4, 1, 2, 3)
    nodes = [
        node("Conv", "x w", "a", auto_pad=mode, strides=[2, 1], group=2),
        node("Conv", "a v", "y", pads=[0, 1, 2, 0]),
    ]
    constants = {"w": w, "v": floats(3, 4, 3, 3)}
    path = write(tmp_path / "m.onnx", nodes, [("N", 2, 7, 6), ("N", 3, "h", "w")], constants)
    x = floats(3, 2, 7, 6)
    agree(from_onnx(path)(x), evaluated(path, x))


def test_a_fixed_number_of_samples_becomes_any(tmp_path):
    nodes = [node("Reshape", "x s", "a"), node("Gemm", "a w b", "y")]
    constants = {"s": np.array([1, 12]), "w": floats(12, 3), "b": floats(3)}
    path = write(tmp_path / "m.onnx", nodes, [(1, 3, 4), (1, 3)], constants)
    x = floats(5, 3, 4)
    agree(from_onnx(path)(x), x.reshape(5, 12) @ constants["w"] + constants["b"])


def test_a_shape_that_the_graph_computes(tmp_path):
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n"),
        node("Unsqueeze", "n axis", "one"),
        node("Concat", "one rest", "t", axis=0),
        node("Reshape", "x t", "a"),
        node("Relu", "a", "y"),
    ]
    constants = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    path = write(tmp_path / "m.onnx", nodes, [("N", 3, 4), ("N", 12)], constants)
    x = floats(5, 3, 4)
    agree(from_onnx(path)(x), np.maximum(x.reshape(5, 12), 0))


def test_transpositions_and_pixels_without_size_need_no_layer(tmp_path):
    nodes = [
        node("Transpose", "x", "a", perm=[0, 2, 3, 1]),
        node("Transpose", "a", "b", perm=[0, 3, 1, 2]),
        node("GlobalAveragePool", "b", "c"),
        node("Flatten", "c", "y"),
    ]
    path = write(tmp_path / "m.onnx", nodes, [("N", 3, 4, 5), ("N", 3)])
    again = from_onnx(path)
    assert [type(layer).__name__ for layer in again] == ["Permute", "GlobalAvgPool2d"]
    x = floats(2, 3, 4, 5)
    agree(again(x), x.mean(axis=(2, 3)))


REFUSED = {
    "operator": ([node("Erf", "x", "y")], "node 'the_Erf' has the operator Erf, for which"),
    "domain": ([node("Relu", "x", "y", domain="theirs")], "has the operator theirs.Relu"),
    "broadcast": (
        [node("ReduceMean", "x", "m", axes=[2, 3]), node("Add", "x m", "y")],
        r"Add, which broadcasts .*\(N, 3, 1, 1\)",
    ),
    "shift": ([node("Add", "x c", "y")], "Add, with a constant that is no bias"),
    "mean": ([node("ReduceMean", "x", "y", axes=[1])], "ReduceMean, over other axes"),
    "batch": ([node("Flatten", "x", "y", axis=0)], "Flatten, which changes the number of samples"),
    "pool": (
        [node("AveragePool", "x", "y", kernel_shape=[2, 2], pads=[0, 0, 1, 1])],
        "AveragePool, with a padding that differs",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_layer_is_named(name, tmp_path):
    nodes, text = REFUSED[name]
    constants = {"c": np.float32([1])} if name == "shift" else {}
    path = write(tmp_path / "m.onnx", nodes, [("N", 3, 4, 4), ()], constants)
    with pytest.raises(ValueError, match=rf"m.onnx: .*{text}.*onnxruntime.InferenceSession"):
        from_onnx(path)


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="from_onnx: there is no file"):
        from_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match="text.onnx is damaged, or no ONNX file"):
        from_onnx(tmp_path / "text.onnx")
    path = write(tmp_path / "old.onnx", [node("Relu", "x", "y")], [("N", 3), ()], opset=9)
    with pytest.raises(ValueError, match="expected opset 13 or newer, got 9; convert it with"):
        from_onnx(path)
    path = to_onnx(nn.ReLU(), tmp_path / "m.onnx", floats(2, 3), metadata={"preprocessing": "[]"})
    with pytest.raises(ValueError, match="m.onnx: the preprocessing in its metadata is damaged"):
        from_onnx(path.path)
    done = to_onnx(nn.LSTM(3, 4), tmp_path / "two.onnx", (floats(2, 5, 3), (floats(1, 2, 4),) * 2))
    with pytest.raises(ValueError, match="expected one input and one output, got 3 and 1"):
        from_onnx(done.path)


def test_settings_are_those_that_were_written(tmp_path):
    done = to_onnx(nn.BatchNorm1d(3, eps=1e-5), tmp_path / "m.onnx", floats(2, 3))
    assert "eps=1e-05" in repr(from_onnx(done.path))  # not 9.999999747378752e-06
