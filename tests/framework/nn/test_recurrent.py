import numpy as np
import pytest

from firstlight import nn

KINDS = [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)]
every_kind = pytest.mark.parametrize(("sequence", "cell"), KINDS)
LAYERS = [layer for kind in KINDS for layer in kind]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def as_parts(state):
    return state if isinstance(state, tuple) else (state,)


def assert_close(left, right):
    for one, other in zip(as_parts(left), as_parts(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@every_kind
def test_a_sequence_is_its_cell_step_by_step(sequence, cell, rng):
    many, one = sequence(3, 5).to(dtype="float64"), cell(3, 5).to(dtype="float64")
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(one, name).data[...] = getattr(many, f"{name}_l0").data
    x, dy = rng.standard_normal((4, 6, 3)), rng.standard_normal((4, 6, 5))
    y, state = many(x), None
    for t in range(6):
        np.testing.assert_allclose(one(x[:, t], state), y[:, t], rtol=1e-12)
        state = one.state
    dx, dstate = many.backward(dy), None
    for t in reversed(range(6)):  # the cell's stack walks back by itself
        np.testing.assert_allclose(one.backward(dy[:, t], dstate), dx[:, t], rtol=1e-10)
        dstate = one.dstate
    assert_close(dstate, tuple(p[0] for p in as_parts(many.dstate)))
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        assert_close(getattr(one, name).grad, getattr(many, f"{name}_l0").grad)


@every_kind
def test_a_sequence_in_two_pieces(sequence, cell, rng):
    layer = sequence(3, 4, 2).to(dtype="float64")
    x, dy = rng.standard_normal((2, 7, 3)), rng.standard_normal((2, 7, 4))
    whole, last = layer(x), layer.state
    dx = layer.backward(dy)
    grads = [parameter.grad.copy() for parameter in layer.parameters()]
    layer.zero_grad()
    pieces = [layer(x[:, :3]), layer(x[:, 3:], layer.state)]
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-12)
    assert_close(layer.state, last)
    second = layer.backward(dy[:, 3:])
    first = layer.backward(dy[:, :3], layer.dstate)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), dx, rtol=1e-10)
    for parameter, grad in zip(layer.parameters(), grads, strict=True):
        assert_close(parameter.grad, grad)


@every_kind
def test_states_are_left_alone(sequence, cell, rng):
    layer = sequence(3, 4)
    x = rng.standard_normal((2, 3, 3)).astype("float32")
    layer(x)
    state = layer.state
    before = [part.copy() for part in as_parts(state)]
    layer(x, state)
    layer.backward(layer(x, state), state)
    for part, old in zip(as_parts(state), before, strict=True):
        np.testing.assert_array_equal(part, old)


def test_an_lstm_that_keeps_everything_remembers_over_a_thousand_steps():
    layer = nn.LSTM(1, 1)
    for parameter in layer.parameters():
        parameter.data[...] = 0
    layer.bias_ih_l0.data[...] = [-30, 30, 0, 30]  # input gate shut, forget and output gates open
    x = np.ones((1, 1000, 1), "float32")
    y = layer(x, (np.zeros((1, 1, 1), "float32"), np.full((1, 1, 1), 0.5, "float32")))
    np.testing.assert_allclose(y, np.tanh(0.5), rtol=1e-6)
    dy = np.zeros_like(y)
    dy[:, -1] = 1
    layer.backward(dy)
    np.testing.assert_allclose(layer.dstate[1], 1 - np.tanh(0.5) ** 2, rtol=1e-5)


@pytest.mark.parametrize("make", LAYERS)
def test_initial_weights(make):
    layer = make(8, 16)
    for parameter in layer.parameters():
        assert 0.2 < np.abs(parameter.data).max() <= 16**-0.5
    twin = make(8, 16, rng=np.random.default_rng(1))
    again = make(8, 16, rng=np.random.default_rng(1))
    for one, other in zip(twin.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("make", LAYERS)
def test_size_errors(make):
    for sizes in [(0, 4), (3, 0)]:
        message = (
            f"{make.__name__}: expected input_size and hidden_size of 1 or more, got {sizes[0]}"
        )
        with pytest.raises(ValueError, match=message):
            make(*sizes)


@every_kind
def test_input_errors(sequence, cell):
    with pytest.raises(ValueError, match="expected num_layers of 1 or more, got 0"):
        sequence(3, 4, 0)
    for shape in [(5, 3), (2, 5, 4), (2, 0, 3), (1, 2, 5, 3)]:
        with pytest.raises(
            ValueError, match=rf"{sequence.__name__}: expected x of shape \(N, T, 3"
        ):
            sequence(3, 4)(np.ones(shape, "float32"))
    for shape in [(3,), (5, 4), (2, 5, 3)]:
        with pytest.raises(ValueError, match=rf"{cell.__name__}: expected x of shape \(N, 3\)"):
            cell(3, 4)(np.ones(shape, "float32"))
    for layer, shape in [(sequence(3, 4), (2, 5, 3)), (cell(3, 4), (2, 3))]:
        with pytest.raises(TypeError, match="expected x of dtype float32 .* got float64; cast it"):
            layer(np.ones(shape))


@every_kind
def test_state_errors(sequence, cell):
    x, wrong = np.ones((2, 5, 3), "float32"), np.zeros((2, 4), "float32")
    pair = sequence is nn.LSTM
    for state in [wrong, (wrong, wrong), np.zeros((1, 3, 4), "float32")]:
        what = r"a pair \(h, c\) of arrays of shape \(1, 2, 4\)" if pair else r"\(1, 2, 4\)"
        with pytest.raises(
            ValueError, match=f"{sequence.__name__}: expected a state of shape {what}"
        ):
            sequence(3, 4)(x, state)
    layer = cell(3, 4)
    y = layer(x[:, 0])
    with pytest.raises(ValueError, match=f"{cell.__name__}: expected a state of shape"):
        layer.backward(y, wrong[:1])


def test_repr_and_flops():
    assert repr(nn.LSTM(3, 4, 2)) == "LSTM(3, 4, num_layers=2, bias=True)"
    assert repr(nn.GRUCell(3, 4, bias=False)) == "GRUCell(3, 4, bias=False)"
    x = np.ones((2, 5, 3), "float32")
    layer = nn.GRU(3, 4)
    assert layer.flops(x, layer(x)) == 2 * 2 * 5 * (12 * 3 + 12 * 4)


@every_kind
def test_both_directions_are_two_layers(sequence, cell, rng):
    both = sequence(3, 4, bidirectional=True).to(dtype="float64")
    one, other = (sequence(3, 4).to(dtype="float64") for _ in range(2))
    for name, parameter in both.named_parameters():
        layer = other if name.endswith("_reverse") else one
        getattr(layer, name.removesuffix("_reverse")).data[...] = parameter.data
    x, dy = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5, 8))
    y = np.concatenate([one(x), other(x[:, ::-1])[:, ::-1]], axis=2)
    np.testing.assert_array_equal(both(x), y)
    dx = one.backward(dy[..., :4]) + other.backward(dy[:, ::-1, 4:])[:, ::-1]
    np.testing.assert_allclose(both.backward(dy), dx, rtol=1e-12)
    assert as_parts(both.state)[0].shape == as_parts(both.dstate)[0].shape == (2, 2, 4)
    assert repr(both).endswith("num_layers=1, bias=True, bidirectional=True)")
    with pytest.raises(ValueError, match=r"expected a state of shape .*\(2, 2, 4\)"):
        both(x, one.state)
    x = x.astype("float32")
    layer = sequence(3, 4, 2, bidirectional=True)
    steps = 2 * x.shape[0] * x.shape[1]
    assert layer.flops(x, layer(x)) == steps * 2 * cell.gates * 4 * ((3 + 4) + (8 + 4))
