"""Recurrent layers against PyTorch in float64: outputs, states and the gradients of all."""

import numpy as np
import pytest

from firstlight import nn

torch = pytest.importorskip("torch")

KINDS = ("RNN", "GRU", "LSTM")
INPUT, HIDDEN = 3, 5


def twins(name, rng, *args, batch_first=None, **options):
    layer = getattr(nn, name)(INPUT, HIDDEN, *args, **options).to(dtype="float64")
    if batch_first:
        options["batch_first"] = True
    twin = getattr(torch.nn, name)(INPUT, HIDDEN, *args, **options).double()
    with torch.no_grad():
        for tensor in twin.parameters():
            tensor.copy_(torch.from_numpy(rng.standard_normal(tuple(tensor.shape))))
    return layer.from_torch(twin.state_dict()), twin


def close(left, right):
    np.testing.assert_allclose(left, right.detach().numpy(), rtol=1e-9, atol=1e-11)


def close_parameters(layer, twin):
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    ours = dict(layer.named_parameters())
    assert set(ours) == set(gradients)
    for name, parameter in ours.items():
        scale = float(gradients[name].abs().max())
        np.testing.assert_allclose(parameter.grad, gradients[name], rtol=1e-9, atol=1e-11 * scale)


def tensors(state):
    """A state's parts as tensors with gradients, and the state as PyTorch takes it."""
    parts = state if isinstance(state, tuple) else (state,)
    parts = [torch.tensor(part, requires_grad=True) for part in parts]
    return parts, tuple(parts) if len(parts) > 1 else parts[0]


def random_state(name, rng, *shape):
    parts = tuple(rng.standard_normal((2 if "LSTM" in name else 1, *shape)))
    return parts if len(parts) > 1 else parts[0]


def as_parts(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_three_steps_of_a_cell(kind, bias):
    name, rng = f"{kind}Cell", np.random.default_rng(0)
    layer, twin = twins(name, rng, bias=bias)
    x, dy = rng.standard_normal((3, 4, INPUT)), rng.standard_normal((3, 4, HIDDEN))
    first, dlast = random_state(name, rng, 4, HIDDEN), random_state(name, rng, 4, HIDDEN)

    parts, tstate = tensors(first)
    tx, loss, state = torch.tensor(x, requires_grad=True), 0, first
    for t in range(3):
        y, tstate = layer(x[t], state), twin(tx[t], tstate)
        state = layer.state
        th = tstate[0] if kind == "LSTM" else tstate
        close(y, th)
        loss = loss + (th * torch.from_numpy(dy[t])).sum()
    for dpart, tpart in zip(as_parts(dlast), as_parts(tstate), strict=True):
        loss = loss + (tpart * torch.from_numpy(dpart)).sum()
    loss.backward()

    dstate = dlast
    for t in reversed(range(3)):
        close(layer.backward(dy[t], dstate), tx.grad[t])
        dstate = layer.dstate
    for ours, part in zip(as_parts(dstate), parts, strict=True):
        close(ours, part.grad)
    close_parameters(layer, twin)


@pytest.mark.parametrize(
    ("steps", "layers", "directions"),
    [*((steps, layers, 1) for steps in (1, 7, 150) for layers in (1, 3)), (7, 1, 2), (6, 3, 2)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_sequences(kind, steps, layers, directions):
    rng, both = np.random.default_rng(1), directions == 2
    layer, twin = twins(kind, rng, layers, batch_first=True, bidirectional=both)
    x, dy = (rng.standard_normal((4, steps, n)) for n in (INPUT, directions * HIDDEN))
    first, dlast = (random_state(kind, rng, layers * directions, 4, HIDDEN) for _ in range(2))
    parts, tstate = tensors(first)
    tx = torch.tensor(x, requires_grad=True)
    ty, tlast = twin(tx, tstate)
    y = layer(x, first)
    close(y, ty)
    loss = (ty * torch.from_numpy(dy)).sum()
    for ours, theirs, dpart in zip(
        as_parts(layer.state), as_parts(tlast), as_parts(dlast), strict=True
    ):
        close(ours, theirs)
        loss = loss + (theirs * torch.from_numpy(dpart)).sum()
    loss.backward()
    scale = float(tx.grad.abs().max())
    np.testing.assert_allclose(layer.backward(dy, dlast), tx.grad, rtol=1e-9, atol=1e-11 * scale)
    for ours, part in zip(as_parts(layer.dstate), parts, strict=True):
        close(ours, part.grad)
    close_parameters(layer, twin)


@pytest.mark.parametrize("kind", KINDS)
def test_without_bias_from_zeros_and_state_to_torch(kind):
    rng = np.random.default_rng(2)
    layer, twin = twins(kind, rng, 2, batch_first=True, bias=False, bidirectional=True)
    x, dy = rng.standard_normal((4, 6, INPUT)), rng.standard_normal((4, 6, 2 * HIDDEN))
    twin.load_state_dict(layer.to_torch(), strict=True)
    ty, _ = twin(torch.from_numpy(x))
    close(layer(x), ty)
    ty.backward(torch.from_numpy(dy))
    layer.backward(dy)
    close_parameters(layer, twin)
