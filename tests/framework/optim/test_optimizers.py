import numpy as np
import pytest

from firstlight import Parameter, nn, optim


def values(params):
    return [p.data.copy() for p in params]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_stay_as_they_are(make, parameters):
    params = parameters()
    optimizer = make(params)
    optimizer.flat.grad[...] = np.random.default_rng(3).standard_normal(optimizer.flat.grad.size)
    before = optimizer.flat.grad.copy()
    optimizer.step()
    optimizer.step()
    assert_same([before], [optimizer.flat.grad])


def test_padding_stays_zero_and_float32_stays_float32(make, parameters, train):
    params = parameters("float32")
    optimizer = make(params)
    train(optimizer, params, 5)
    inside = np.zeros(optimizer.flat.data.size, bool)
    for _, window in optimizer.flat.windows:
        inside[window] = True
    assert not inside.all()
    assert not optimizer.flat.data[~inside].any()
    assert {a.dtype for a in optimizer.state.values()} | {p.dtype for p in params} == {
        np.dtype("float32")
    }


# --- groups ------------------------------------------------------------------------------------


def test_groups_equal_one_optimizer_each(make, parameters, train):
    together, apart = parameters(), parameters()
    kind, settings = type(make(parameters())), make(parameters()).param_groups[0]
    settings = {k: v for k, v in settings.items() if k != "params"}
    lrs = [0.1, 0.02, 0.003]
    grouped = kind([{**settings, "params": [p], "lr": lr} for p, lr in zip(together, lrs)])  # noqa: B905
    train(grouped, together, 4)
    singles = [kind([{**settings, "params": [p], "lr": lr}]) for p, lr in zip(apart, lrs)]  # noqa: B905
    for step in range(4):
        rng = np.random.default_rng([2, step])
        for p, single in zip(apart, singles, strict=True):
            p.grad[...] = rng.standard_normal(p.shape)
            single.step()
            single.zero_grad()
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-14, atol=0)


def test_lr_reads_the_first_group_and_sets_all(parameters):
    first, second, _ = parameters()
    optimizer = optim.SGD([{"params": [first], "lr": 0.5}, {"params": [second]}], lr=0.1)
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.1]
    assert optimizer.lr == 0.5
    optimizer.lr = 0.2
    assert [g["lr"] for g in optimizer.param_groups] == [0.2, 0.2]


def test_spans_join_neighbours_of_one_group(parameters):
    a, b, c = parameters()
    optimizer = optim.SGD([{"params": [a, b]}, {"params": [c]}])
    first, second = optimizer.param_groups
    ends = [window for _, window in optimizer.flat.windows]
    assert optimizer.spans() == [(first, 0, ends[1].stop), (second, ends[2].start, ends[2].stop)]
    a.requires_grad = False
    assert optimizer.spans() == [
        (first, ends[1].start, ends[1].stop),
        (second, ends[2].start, ends[2].stop),
    ]


def test_hyper_parameters_become_plain_python_values(parameters):
    optimizer = optim.Adam(
        [{"params": parameters(), "lr": np.float32(0.5), "betas": [0.5, 0.6]}], eps=np.float64(1e-3)
    )
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.5, 0.6), 1e-3)
    assert type(group["lr"]) is type(group["eps"]) is float


# --- frozen and shared parameters ----------------------------------------------------------------


def test_frozen_parameters_do_not_move_and_keep_their_state(make, parameters, train):
    params = parameters()
    optimizer = make(params)
    train(optimizer, params, 2)
    params[1].requires_grad = False
    before = params[1].data.copy()
    state = {n: a.copy() for n, a in optimizer.state_dict()["arrays"].items() if n.endswith(".1")}
    moving = params[0].data.copy()
    train(optimizer, params, 3)
    assert_same([before], [params[1].data])
    after = optimizer.state_dict()["arrays"]
    assert_same(state.values(), [after[n] for n in state])
    assert not np.array_equal(moving, params[0].data)


def test_a_parameter_thawed_late_starts_like_a_new_one(make, parameters, train):
    """Bias corrections and first steps count the steps that a parameter was trained in."""
    late, fresh = parameters(), parameters()
    optimizer = make(late)
    late[1].requires_grad = False
    train(optimizer, late, 7)
    late[1].requires_grad = True
    twin = make(fresh)
    gradients = np.random.default_rng(5).standard_normal((4, 7))
    for gradient in gradients:
        late[1].grad[...] = fresh[1].grad[...] = gradient
        optimizer.step()
        twin.step()
    np.testing.assert_allclose(late[1].data, fresh[1].data, rtol=1e-14, atol=0)


def test_frozen_gradients_are_neither_measured_nor_scaled(parameters):
    a, b, c = parameters()
    optimizer = optim.SGD([a, b, c])
    for p in (a, b, c):
        p.grad[...] = np.random.default_rng(6).standard_normal(p.shape)
    b.requires_grad = False
    before = b.grad.copy()
    trained = np.concatenate([a.grad.ravel(), c.grad.ravel()])
    np.testing.assert_allclose(optimizer.grad_norm(), np.linalg.norm(trained), rtol=1e-14)
    optimizer.scale_grad(0.5)
    optimizer.clip_grad(0.3)
    expected = np.clip(trained * 0.5, -0.3, 0.3)
    assert_same([expected, before], [np.concatenate([a.grad.ravel(), c.grad.ravel()]), b.grad])
    optimizer.zero_grad()
    assert not b.grad.any()


def test_everything_frozen_is_no_error(parameters, train):
    params = parameters()
    optimizer = optim.Adam(params)
    before = values(params)
    for p in params:
        p.requires_grad = False
    train(optimizer, params, 2)
    assert optimizer.grad_norm() == 0
    assert_same(before, values(params))


def test_a_shared_parameter_moves_once():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, layer)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    assert len(optimizer.flat.windows) == 2
    x = np.random.default_rng(7).standard_normal((4, 3)).astype("float32")
    dy = np.random.default_rng(8).standard_normal((4, 3)).astype("float32")
    net(x)
    net.backward(dy)
    expected = layer.weight.data - layer.weight.grad
    optimizer.step()
    assert_same([expected], [layer.weight.data])


# --- what a rule should do -----------------------------------------------------------------------


def test_centered_rmsprop_survives_a_constant_gradient():
    """The variance is 0 then, and rounding takes the difference below it."""
    p = Parameter(np.full(64, 3.0, "float32"))
    optimizer = optim.RMSprop([p], lr=1e-6, alpha=0.5, centered=True)
    for _ in range(60):
        p.grad[...] = np.linspace(0.1, 3.7, 64, dtype="float32")
        optimizer.step()
    assert np.isfinite(p.data).all()


def test_adagrad_starts_from_its_initial_value():
    p = Parameter(np.zeros(2))
    optimizer = optim.Adagrad([p], lr=1.0, initial_accumulator_value=5.0)
    p.grad[...] = [2.0, -2.0]
    optimizer.step()
    np.testing.assert_allclose(p.data, [-2 / 3, 2 / 3], rtol=1e-9)


def test_an_eps_that_is_zero_in_float16_is_refused():
    layer = nn.Linear(2, 2).to(dtype="float16")
    with pytest.raises(ValueError, match="eps=1e-08 is 0 in float16.*e.g. eps=1e-4"):
        optim.Adam(layer.parameters())
    optim.Adam(layer.parameters(), eps=1e-4)


# --- an update rule of one's own -----------------------------------------------------------------


def test_an_update_with_a_scratch_argument_is_told_what_to_write(parameters):
    class SignDescent(optim.Optimizer):
        state_names = ("mean",)

        def update(self, group, t, w, g, m, step):
            np.sign(g, out=step)

    expected = (
        r"SignDescent.update\(group, t, w, g, m, step\): expected the arguments "
        r"\(group, t, w, g, mean\), .* there are no scratch arrays: compute with expressions"
    )
    with pytest.raises(TypeError, match=expected):
        SignDescent(parameters(), {"lr": 0.1})


def test_an_update_may_take_its_state_as_it_likes(parameters, train):
    class Counting(optim.Optimizer):
        state_names = ("mean", "count")

        def update(self, group, t, w, g, *state):
            state[1][...] += t

    params = parameters()
    optimizer = Counting(params, {})
    train(optimizer, params, 3)
    assert optimizer.state["count"].max() == 6
