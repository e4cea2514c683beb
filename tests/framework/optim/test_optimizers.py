import json

import numpy as np
import pytest

from firstlight import Parameter, nn, optim
from firstlight.optim import optimizer as optimizer_module

RULES = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd-momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    "sgd-nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, weight_decay=0.1),
    "rmsprop-full": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.1),
    "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}
every_rule = pytest.mark.parametrize("make", RULES.values(), ids=RULES)


def parameters(dtype="float64", shapes=((5, 3), (7,), (2, 3, 2))):
    rng = np.random.default_rng(1)
    return [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in shapes]


def train(optimizer, params, steps, seed=2):
    """Step on random gradients; those of step s depend on the seed and s alone."""
    for _ in range(steps):
        rng = np.random.default_rng([seed, optimizer.steps])
        for p in params:
            p.grad[...] = rng.standard_normal(p.shape)
        optimizer.step()
        optimizer.zero_grad()


def values(params):
    return [p.data.copy() for p in params]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


# --- blocks ------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("block", [1, 3, 8, 10_000])
def test_results_do_not_depend_on_the_block_size(make, block, monkeypatch):
    whole, in_blocks = parameters(), parameters()
    train(make(whole), whole, 5)
    monkeypatch.setattr(optimizer_module, "BLOCK", block)
    train(make(in_blocks), in_blocks, 5)
    for a, b in zip(whole, in_blocks, strict=True):
        # another block length may take another SIMD path, which rounds alike but for the last bit
        np.testing.assert_allclose(a.data, b.data, rtol=1e-14, atol=0)


@every_rule
def test_gradients_stay_as_they_are(make):
    params = parameters()
    optimizer = make(params)
    optimizer.flat.grad[...] = np.random.default_rng(3).standard_normal(optimizer.flat.grad.size)
    before = optimizer.flat.grad.copy()
    optimizer.step()
    optimizer.step()
    assert_same([before], [optimizer.flat.grad])


@every_rule
def test_padding_stays_zero_and_float32_stays_float32(make):
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


@every_rule
def test_groups_equal_one_optimizer_each(make):
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


def test_lr_reads_the_first_group_and_sets_all():
    first, second, _ = parameters()
    optimizer = optim.SGD([{"params": [first], "lr": 0.5}, {"params": [second]}], lr=0.1)
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.1]
    assert optimizer.lr == 0.5
    optimizer.lr = 0.2
    assert [g["lr"] for g in optimizer.param_groups] == [0.2, 0.2]


def test_spans_join_neighbours_of_one_group():
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


def test_hyper_parameters_become_plain_python_values():
    optimizer = optim.Adam(
        [{"params": parameters(), "lr": np.float32(0.5), "betas": [0.5, 0.6]}], eps=np.float64(1e-3)
    )
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.5, 0.6), 1e-3)
    assert type(group["lr"]) is type(group["eps"]) is float


# --- frozen and shared parameters ----------------------------------------------------------------


@every_rule
def test_frozen_parameters_do_not_move_and_keep_their_state(make):
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


@every_rule
def test_a_parameter_thawed_late_starts_like_a_new_one(make):
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


def test_frozen_gradients_are_neither_measured_nor_scaled():
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


def test_everything_frozen_is_no_error():
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


# --- state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda p: optim.SGD(p), set()),
        (lambda p: optim.SGD(p, momentum=0.9), {"momentum_buffer"}),
        (lambda p: optim.SGD([{"params": p, "momentum": 0.5}]), {"momentum_buffer"}),
        (lambda p: optim.RMSprop(p), {"square_avg"}),
        (lambda p: optim.RMSprop(p, centered=True), {"square_avg", "grad_avg"}),
        (lambda p: optim.RMSprop(p, momentum=0.9), {"square_avg", "momentum_buffer"}),
        (lambda p: optim.Adagrad(p), {"sum"}),
        (lambda p: optim.Adam(p), {"exp_avg", "exp_avg_sq"}),
    ],
)
def test_only_the_state_that_is_needed_exists(make, names):
    assert set(make(parameters()).state) == names


def test_switching_momentum_on_later_is_an_error():
    params = parameters()
    optimizer = optim.SGD(params)
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(RuntimeError, match="momentum was off .* make it with the momentum it will"):
        optimizer.step()
    assert optimizer.steps == 0


@every_rule
def test_state_goes_through_json_and_back_bit_for_bit(make):
    straight, resumed = parameters(), parameters()
    optimizer = make(straight)
    straight[2].requires_grad = False
    train(optimizer, straight, 3)
    saved = optimizer.state_dict()
    arrays = {name: array.copy() for name, array in saved.pop("arrays").items()}
    saved = json.loads(json.dumps(saved))
    for p, q in zip(straight, resumed, strict=True):
        q.data[...] = p.data
    straight[2].requires_grad = True
    train(optimizer, straight, 4)

    twin = make(resumed)
    twin.lr = 123.0
    twin.load_state_dict({**saved, "arrays": arrays})
    train(twin, resumed, 4)
    assert_same(values(straight), values(resumed))
    assert twin.steps == 7
    assert twin.param_groups[0].get("betas") == optimizer.param_groups[0].get("betas")


def test_state_dict_says_who_and_how_far():
    a, b, c = parameters()
    optimizer = optim.Adam([{"params": [a, b]}, {"params": [c], "lr": 0.5}], lr=0.25)
    c.requires_grad = False
    train(optimizer, [a, b, c], 3)
    state = optimizer.state_dict()
    rest = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    assert state.pop("arrays").keys() == {
        f"{n}.{i}" for n in ("exp_avg", "exp_avg_sq") for i in range(3)
    }
    assert state == {
        "optimizer": "Adam",
        "steps": 3,
        "groups": [{"lr": 0.25, **rest, "steps": [3, 3]}, {"lr": 0.5, **rest, "steps": [0]}],
    }


def edited(state, **changes):
    return {**state, **changes}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: {"steps": 3}, "got a dict without optimizer, groups, arrays"),
        (lambda s: edited(s, optimizer="AdamW"), "the state is of AdamW, this is Adam"),
        (lambda s: edited(s, groups=s["groups"] * 2), "the state has 2 parameter groups, this"),
        (
            lambda s: edited(s, groups=[{**s["groups"][0], "momentum": 0.9}]),
            "group 0 has other hyper-parameters: momentum on one side only",
        ),
        (
            lambda s: edited(s, groups=[{**s["groups"][0], "steps": [1]}]),
            "group 0 has 1 parameters in the state and 3 here",
        ),
        (
            lambda s: edited(s, groups=[{**s["groups"][0], "lr": -1.0}]),
            "expected lr of 0 or more, got -1.0",
        ),
        (
            lambda s: edited(s, arrays={}),
            r"exp_avg.0, exp_avg.1, exp_avg.2 and 3 more missing from the state; make model",
        ),
        (
            lambda s: edited(s, arrays={**s["arrays"], "sum.0": np.zeros(3)}),
            "this optimizer keeps no sum.0",
        ),
        (
            lambda s: edited(s, arrays={**s["arrays"], "exp_avg.1": np.zeros((7, 1))}),
            r"exp_avg.1 has shape \(7, 1\) in the state, \(7,\) here",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(edit, message):
    params, others = parameters(), parameters()
    optimizer, other = optim.Adam(params, lr=0.01), optim.Adam(others, lr=0.5)
    train(optimizer, params, 2)
    train(other, others, 5, seed=9)
    before = optimizer.state_dict()
    before["arrays"] = {name: array.copy() for name, array in before["arrays"].items()}
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(edit(other.state_dict()))
    after = optimizer.state_dict()
    assert_same(before.pop("arrays").values(), after.pop("arrays").values())
    assert before == after


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD([]), ValueError, "no parameters"),
        (lambda p: optim.SGD([p, p]), ValueError, "listed twice"),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "SGD: expected lr of 0 or more, got -1"),
        (
            lambda p: optim.SGD([p], lr=float("nan")),
            ValueError,
            "expected lr of 0 or more, got nan",
        ),
        (lambda p: optim.SGD([p], momentum=-0.1), ValueError, "expected momentum of 0 or more"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov needs a momentum above 0"),
        (
            lambda p: optim.SGD([p], momentum=0.9, dampening=0.1, nesterov=True),
            ValueError,
            "a dampening of 0, got momentum=0.9 and dampening=0.1",
        ),
        (lambda p: optim.RMSprop([p], alpha=1.5), ValueError, r"alpha in \[0, 1\], got 1.5"),
        (lambda p: optim.RMSprop([p], eps=0), ValueError, "RMSprop: expected eps above 0, got 0"),
        (lambda p: optim.Adagrad([p], lr_decay=-1), ValueError, "expected lr_decay of 0 or more"),
        (
            lambda p: optim.Adagrad([p], initial_accumulator_value=-1),
            ValueError,
            "initial_accumulator_value of 0 or more, got -1",
        ),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"two betas in \[0, 1\), got"),
        (lambda p: optim.AdamW([p], betas=[0.9]), ValueError, r"AdamW: expected two betas"),
        (lambda p: optim.SGD(p), TypeError, None),
        (lambda p: optim.SGD([p.data]), TypeError, "model.parameters.. gives, got ndarray"),
        (lambda p: optim.SGD(nn.Linear(2, 2)), TypeError, "gives, got Linear"),
        (
            lambda p: optim.SGD([{"params": [p], "momentun": 1}]),
            TypeError,
            "takes 'params' and lr, momentum, .* got 'params', 'momentun'",
        ),
        (lambda p: optim.SGD([{"lr": 1}]), TypeError, "a parameter group takes 'params'"),
        (
            lambda p: optim.SGD([{"params": [p]}, p]),
            TypeError,
            "every parameter group to be a dict",
        ),
    ],
)
def test_mistakes_are_told(make, error, message):
    parameter = parameters()[0]
    if message is None:
        assert len(make(parameter).flat.windows) == 1  # a lone parameter is understood
        return
    with pytest.raises(error, match=message):
        make(parameter)


def test_a_moved_parameter_is_an_error_even_if_only_one_moved():
    params = parameters()
    first = optim.SGD(params)
    optim.SGD(params[2:])
    for use in (first.step, first.grad_norm, first.spans):
        with pytest.raises(RuntimeError, match="moved to other memory .* make the optimizer after"):
            use()


def test_repr_shows_the_groups():
    a, b, _ = parameters()
    optimizer = optim.Adagrad([{"params": [a]}, {"params": [b], "lr": 0.5}])
    assert repr(optimizer) == (
        "Adagrad(lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10, 1 parameters; "
        "lr=0.5, lr_decay=0.0, weight_decay=0.0, eps=1e-10, 1 parameters)"
    )


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


def test_the_example_in_the_base_class():
    import doctest

    from firstlight.optim import groups

    for module in (optimizer_module, groups):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
