"""PyTorch's own sample inputs of its functions and modules, through our layers.

They are made to reach the corners of each function: sizes that leave a remainder, no samples, no
axes. Where we refuse one, the message is ours.
"""

import inspect
import sys
import warnings

import numpy as np
import pytest
import torch_samples
from campaigns import slow_but

from firstlight import nn

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's samples need it")


@pytest.fixture(scope="module")
def samples_of():
    """PyTorch's lists of functions and of modules, which take seconds to import."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        if sys.version_info < (3, 12):  # its setuptools fails beside the other distutils
            patch.setenv("SETUPTOOLS_USE_DISTUTILS", "stdlib")
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import module_db
    return {"functions": op_db, "modules": module_db}


NAMES = {  # and how many samples must be compared, at least
    **dict.fromkeys([*torch_samples.ELEMENTWISE, *torch_samples.LOSSES], 1),
    "softmax": 5,
    "log_softmax": 5,
    "nn.functional.linear": 15,
    "nn.functional.conv2d": 13,
    "nn.functional.conv_transpose2d": 6,
    "nn.functional.max_pool2d": 15,
    "nn.functional.adaptive_avg_pool2d": 2,
    "nn.functional.avg_pool2d": 0,
    "nn.functional.interpolate": 8,
    "nn.functional.upsample_nearest": 4,
    "nn.functional.upsample_bilinear": 4,
    "nn.functional.layer_norm": 4,
    "nn.functional.rms_norm": 4,
    "nn.functional.group_norm": 10,
}
MODES = {"", "nearest", "bilinear"}  # of interpolate; other ops have one


def ours(tensor, images):
    """Return a tensor as our array, images (N, C, ...) as (N, ..., C)."""
    tensor = tensor.detach()
    return (tensor.movedim(1, -1) if images and tensor.ndim > 2 else tensor).numpy().copy()


def compare(layer, inputs, ty, parameters, images, dtype):
    """Compare y, dx and gradients with those of PyTorch's y = f(inputs[0], ...)."""
    tx = inputs[0]
    y = layer(*(ours(x, images) for x in inputs))
    error = {"rtol": 1e-4, "atol": 2e-5} if dtype is torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(y, ours(ty, images), **error)
    dy = torch.from_numpy(np.random.default_rng(0).standard_normal(tuple(ty.shape))).to(dtype)
    leaves = [tx, *parameters] if tx.requires_grad else parameters  # indices have no gradient
    gradients = list(torch.autograd.grad(ty, leaves, dy))
    dx = layer.backward(ours(dy, images))
    if tx.requires_grad:
        np.testing.assert_allclose(dx, ours(gradients.pop(0), images), **error)
    for parameter, theirs in zip(layer.parameters(), gradients, strict=True):
        axes = parameter.torch_axes
        mine = np.transpose(parameter.grad, axes) if axes else parameter.grad
        np.testing.assert_allclose(mine, theirs, **error)


def of_ours(error):
    """Raise an error again unless it is a message of a layer of ours."""
    if str(error).split(":")[0].split(".")[0] not in dir(nn):
        raise error


def arguments(function, sample):
    """Return a sample's arguments by name; TypeError for one that our form does not have."""
    given = {k: v for k, v in sample.kwargs.items() if v is not None and v is not False}
    bound = inspect.signature(function).bind(sample.input, *sample.args, **given)
    return bound.arguments


def layer_of(op, sample):
    """Return our layer, the inputs, PyTorch's parameters and whether these are images."""
    if op.name in torch_samples.ELEMENTWISE:
        kwargs = {"negative_slope": sample.args[0]} if sample.args else sample.kwargs
        return torch_samples.ELEMENTWISE[op.name](**kwargs), [sample.input], [], False
    if op.name in torch_samples.LOSSES:
        kwargs = {k: v.numpy() if hasattr(v, "numpy") else v for k, v in sample.kwargs.items()}
        layer = torch_samples.LOSSES[op.name](**kwargs)
        return layer, [sample.input, *sample.args], [], "cross_entropy" in op.name
    function = getattr(torch_samples, op.name.rpartition(".")[2])
    images = op.name in torch_samples.IMAGES
    if images and sample.input.ndim != 4 and "group_norm" not in op.name:
        raise TypeError("no batch of images")
    layer, parameters = function(**arguments(function, sample))
    return layer, [sample.input], parameters, images


@pytest.mark.parametrize("dtype", slow_but([torch.float32, torch.float64], torch.float64), ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_functions(name, dtype, samples_of):
    compared, ops = 0, [op for op in samples_of["functions"] if op.name == name]
    for op in ops:
        if op.variant_test_name not in MODES:
            continue
        samples = op.sample_inputs("cpu", dtype, requires_grad=True)
        samples = [s for s in samples if not s.kwargs.get("return_indices")]
        for sample in samples[:: 1 + len(samples) // 40]:  # of 720 of max_pool2d every 19th
            try:
                layer, inputs, parameters, images = layer_of(op, sample)
            except TypeError:
                continue  # an argument that we do not have
            except ValueError as error:
                of_ours(error)
                continue
            ty = op(sample.input, *sample.args, **sample.kwargs)
            try:
                compare(layer, inputs, ty, parameters, images, dtype)
            except AssertionError as error:
                raise AssertionError(f"{sample}: {error}") from None
            except (ValueError, TypeError) as error:
                of_ours(error)
                continue
            compared += 1
    assert compared >= NAMES[name], "samples are left out that were not before"


MODULES = {  # and how many samples must be compared, at least
    "AdaptiveAvgPool2d": 3,
    "AvgPool2d": 3,
    "BatchNorm1d": 6,
    "BatchNorm2d": 4,
    "Conv2d": 2,
    "ConvTranspose2d": 1,
    "ELU": 3,
    "Embedding": 2,
    "GELU": 3,
    "GRU": 4,
    "GroupNorm": 8,
    "InstanceNorm2d": 4,
    "LSTM": 4,
    "LayerNorm": 6,
    "LeakyReLU": 5,
    "Linear": 3,
    "LogSoftmax": 3,
    "MaxPool2d": 1,
    "RMSNorm": 4,
    "RNN": 2,
    "ReLU": 4,
    "SiLU": 3,
    "Sigmoid": 4,
    "Softmax": 2,
    "Softplus": 4,
    "Tanh": 3,
    "ZeroPad2d": 1,
}
CHANNELS_LAST = {"BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "Conv2d"}
CHANNELS_LAST |= {"ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "ZeroPad2d"}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore")
def test_modules(name, training, samples_of):
    compared, options = 0, {"device": "cpu", "dtype": torch.float64, "requires_grad": True}
    (info,) = (m for m in samples_of["modules"] if m.module_cls.__name__ == name)
    for sample in info.module_inputs_func(info, training=training, **options):
        made, given = sample.constructor_input, sample.forward_input
        inputs = [*given.args, *given.kwargs.values()]
        images = name in CHANNELS_LAST
        if name.endswith("2d") and inputs[0].ndim != 4:
            continue  # no batch of images
        kwargs = their_kwargs = made.kwargs
        if name in ("RNN", "GRU", "LSTM"):  # theirs are given one sample; ours have them first
            if len(inputs) > 1:
                continue
            inputs[0] = inputs[0][None]
            their_kwargs = kwargs | {"batch_first": True}
            known = (
                ["batch_first", "nonlinearity"] if "tanh" in kwargs.values() else ["batch_first"]
            )
            kwargs = {k: v for k, v in kwargs.items() if (v or k == "bias") and k not in known}
        twin = info.module_cls(*made.args, **their_kwargs).double().train(training)
        try:
            layer = getattr(nn, name)(*made.args, **kwargs).to(dtype="float64")
        except TypeError:
            continue  # an argument that we do not have
        except ValueError as error:
            of_ours(error)
            continue
        layer.from_torch(twin.state_dict())
        if not training:
            layer.eval(keep_backward=True)
        y = twin(*inputs)
        y, inputs = (y[0], inputs[:1]) if isinstance(y, tuple) else (y, inputs)
        try:
            compare(layer, inputs, y, list(twin.parameters()), images, torch.float64)
        except (ValueError, TypeError) as error:
            of_ours(error)
            continue
        compared += 1
    assert compared >= MODULES[name], f"{compared} samples compared"
