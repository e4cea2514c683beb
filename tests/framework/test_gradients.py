"""Laws that every layer keeps, run on every case of the table."""

import copy
import re

import numpy as np
import pytest
from layer_table import CASES

import firstlight
from firstlight import Module, nn
from firstlight.support import rng as randomness
from firstlight.support.gradcheck import check_gradients

LAWS, LAWS_OF_LAYERS = [], []  # the latter of all but losses


def every_case(law):
    LAWS.append(law)
    return law


def every_layer(law):
    LAWS_OF_LAYERS.append(law)
    return law


def test_every_public_layer_is_in_the_table():
    public = {
        value
        for value in vars(nn).values()
        if isinstance(value, type) and issubclass(value, Module)
    }
    missing = public - {type(part) for case in CASES for part in case.make().modules()}
    assert not missing, f"add cases to layer_table.py for {sorted(c.__name__ for c in missing)}"


def test_case_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def made(case, rng, dtype="float64"):
    """A layer off its initial values, and its inputs, of one dtype."""
    layer = case.make().to(dtype=dtype)
    for parameter in layer.parameters():
        parameter.data[...] += 0.3 * rng.standard_normal(parameter.shape)
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs(rng)]
    return layer, inputs


def random_dy(y, rng):
    """A random upstream gradient; a Python float for a loss."""
    if np.ndim(y) == 0:
        return float(rng.standard_normal())
    return rng.standard_normal(y.shape).astype(y.dtype)


def run(layer, inputs, rng):
    """Forward and backward once, with the same mask and dy for equal generators."""
    start = randomness.state_dict()
    y = layer(*inputs)
    randomness.load_state_dict(start)
    layer.zero_grad()
    dx = layer.backward(random_dy(y, rng))
    return y, dx, [parameter.grad.copy() for parameter in layer.parameters()]


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        if one is None or isinstance(one, list):
            assert_same(one or [], other or [])
        else:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@every_case
def backward_is_the_derivative_of_forward(case, rng):
    check_gradients(*[made(case, rng)[0], *case.inputs(rng)])


@every_case
def backward_is_the_derivative_in_evaluation_too(case, rng):
    layer, inputs = made(case, rng)
    layer(*inputs)  # moves running statistics off 0 and 1
    check_gradients(layer.eval(), *inputs)


@every_case
def float32_stays_float32(case, rng):
    layer, inputs = made(case, rng, "float32")
    y = layer(*inputs)
    dx = layer.backward(random_dy(y, rng))
    assert y.dtype == "float32"
    assert dx is None or dx.dtype == "float32"
    assert {parameter.grad.dtype.name for parameter in layer.parameters()} <= {"float32"}
    assert {buffer.data.dtype.name for _, buffer in layer.named_buffers()} <= {"float32"}


@every_case
def gradients_add_up(case, rng):
    layer, inputs = made(case, rng)
    *_, once = run(layer, inputs, np.random.default_rng(5))
    start = randomness.state_dict()
    y = layer(*inputs)
    layer.backward(random_dy(y, np.random.default_rng(5)))
    randomness.load_state_dict(start)
    assert_same([parameter.grad for parameter in layer.parameters()], [2 * dw for dw in once])


@every_layer
def an_empty_batch_passes_or_is_named(case, rng):
    layer, inputs = made(case, rng)
    (empty,) = (x[:0] for x in inputs)
    try:
        y = layer(empty)
    except ValueError as error:
        assert re.search(r"Norm.*got x of shape \(0, |mask of shape ", str(error))  # noqa: PT017
        return
    assert len(y) == 0
    dx = layer.backward(random_dy(y, rng))
    assert dx is None or dx.shape == empty.shape
    for parameter in layer.parameters():
        assert not parameter.grad.any()


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_needs_its_axis(name):
    with pytest.raises(ValueError, match=f"{name}: expected x with an axis -1 .dim., got shape"):
        getattr(nn, name)()(np.array(1.0))


@every_case
def the_latest_forward_is_undone_first(case, rng):
    layer, first = made(case, rng)
    second = [x.astype(x0.dtype) for x, x0 in zip(case.inputs(rng), first, strict=True)]
    start = randomness.state_dict()
    y1, y2 = layer(*first), layer(*second)
    dy1, dy2 = random_dy(y1, rng), random_dy(y2, rng)
    nested = [layer.backward(dy2), layer.backward(dy1)]
    grads = [parameter.grad.copy() for parameter in layer.parameters()]

    layer.zero_grad()
    randomness.load_state_dict(start)
    layer(*first)
    dx1 = layer.backward(dy1)
    layer(*second)
    dx2 = layer.backward(dy2)
    assert_same(nested, [dx2, dx1])
    assert_same(grads, [parameter.grad for parameter in layer.parameters()])


@every_case
def nothing_is_left_on_the_stack(case, rng):
    layer, inputs = made(case, rng)
    run(layer, inputs, rng)
    assert [module._stack for module in layer.modules()] == [[]] * len(list(layer.modules()))


@every_case
def evaluation_saves_nothing(case, rng):
    layer, inputs = made(case, rng)
    y = layer.eval()(*inputs)
    assert {module._stack for module in layer.modules()} == {None}
    with pytest.raises(RuntimeError, match=r"eval\(\) keeps nothing for backward; call train"):
        layer.backward(random_dy(y, rng))


@every_case
def strided_input_equals_contiguous(case, rng):
    layer, inputs = made(case, rng)
    twin = copy.deepcopy(layer)
    start = randomness.state_dict()
    plain = run(layer, inputs, np.random.default_rng(5))
    randomness.load_state_dict(start)
    gaps = [np.repeat(x, 2, axis=-1)[..., ::2] for x in inputs]
    assert_same(run(twin, gaps, np.random.default_rng(5)), plain)
    randomness.load_state_dict(start)
    columns = [np.asfortranarray(x) for x in inputs]
    assert_same(run(copy.deepcopy(twin), columns, np.random.default_rng(5)), plain)


@every_layer
def strided_dy_equals_contiguous(case, rng):
    layer, inputs = made(case, rng)
    start = randomness.state_dict()
    y = layer(*inputs)
    dy = random_dy(y, rng)
    dx, plain = layer.backward(dy), [p.grad.copy() for p in layer.parameters()]
    layer.zero_grad()
    randomness.load_state_dict(start)
    layer(*inputs)
    strided = layer.backward(np.repeat(dy, 2, axis=-1)[..., ::2])
    assert_same([strided, [p.grad for p in layer.parameters()]], [dx, plain])


@every_case
def inputs_dy_and_output_are_left_alone(case, rng):
    layer, inputs = made(case, rng)
    before = [x.copy() for x in inputs]
    y = layer(*inputs)
    y_before, dy = np.array(y), random_dy(y, rng)
    dy_before = np.array(dy)
    layer.backward(dy)
    assert_same([*inputs, y, dy], [*before, y_before, dy_before])


@every_case
def backward_without_forward_is_an_error(case, rng):
    layer, inputs = made(case, rng)
    y, *_ = run(layer, inputs, rng)
    with pytest.raises(RuntimeError, match=r"backward: no forward left to undo; call forward"):
        layer.backward(random_dy(y, rng))


@every_layer
def dy_of_another_shape_is_an_error(case, rng):
    layer, inputs = made(case, rng)
    y = layer(*inputs)
    for shape in [(1, *y.shape[1:]), (*y.shape[:-1], 1), (1, *y.shape), y.shape[1:]]:
        layer.train()
        layer(*inputs)
        with pytest.raises(ValueError, match=r"backward: expected dy of shape .* got shape"):
            layer.backward(np.ones(shape))


@every_case
def no_warning_and_no_infinity_for_large_inputs(case, rng):
    layer, inputs = made(case, rng, "float32")
    if inputs[0].dtype.kind == "f":
        inputs[0] = 1e4 * inputs[0]
    y, dx, grads = run(layer, inputs, rng)
    assert all(np.isfinite(array).all() for array in [y, *grads] + ([] if dx is None else [dx]))


@every_case
def state_and_repr(case, rng):
    layer, inputs = made(case, rng)
    other = case.make().to(dtype="float64")
    other.load_state_dict(layer.state_dict())
    start = randomness.state_dict()
    y = layer(*inputs)
    randomness.load_state_dict(start)
    np.testing.assert_array_equal(other(*inputs), y)
    assert repr(layer).startswith(f"{type(layer).__name__}(")
    assert layer.flops(inputs[0], y) >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_laws(case):
    for law in LAWS if case.is_loss else LAWS + LAWS_OF_LAYERS:
        firstlight.seed_everything(0)
        law(case, np.random.default_rng(11))
