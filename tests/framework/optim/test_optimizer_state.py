import json

import numpy as np
import pytest

from firstlight import nn, optim


def values(params):
    return [p.data.copy() for p in params]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


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
        (lambda p: optim.AdamW(p, amsgrad=True), {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
    ],
)
def test_only_the_state_that_is_needed_exists(make, names, parameters):
    assert set(make(parameters()).state) == names


def test_switching_momentum_on_later_is_an_error(parameters):
    params = parameters()
    optimizer = optim.SGD(params)
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(RuntimeError, match="momentum was off .* make it with the momentum it will"):
        optimizer.step()
    assert optimizer.steps == 0


def test_state_goes_through_json_and_back_bit_for_bit(make, parameters, train):
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


def test_an_optimizer_in_use_can_take_over_a_state(make, parameters, train):
    """What it remembers between steps about frozen parameters is of no use any more."""
    source, target = parameters(), parameters()
    optimizer, other = make(source), make(target)
    source[1].requires_grad = False
    train(optimizer, source, 4)
    source[1].requires_grad = True
    train(other, target, 2, seed=9)
    other.load_state_dict(optimizer.state_dict())
    for p, q in zip(source, target, strict=True):
        q.data[...] = p.data
    train(optimizer, source, 3)
    train(other, target, 3)
    assert_same(values(source), values(target))


def test_state_dict_says_who_and_how_far(parameters, train):
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
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(edit, message, parameters, train):
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
        (lambda p: optim.Lion([p], betas=(1, 0.9)), ValueError, r"Lion: expected two betas in"),
        (lambda p: optim.NAdam([p], betas=(0.9,)), ValueError, r"NAdam: expected two betas in"),
        (lambda p: optim.NAdam([p], momentum_decay=-1), ValueError, "momentum_decay of 0 or more"),
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
def test_mistakes_are_told(make, error, message, parameters):
    parameter = parameters()[0]
    if message is None:
        assert len(make(parameter).flat.windows) == 1  # a lone parameter is understood
        return
    with pytest.raises(error, match=message):
        make(parameter)


def test_a_moved_parameter_is_an_error_even_if_only_one_moved(parameters):
    params = parameters()
    first = optim.SGD(params)
    optim.SGD(params[2:])
    for use in (first.step, first.grad_norm, first.spans):
        with pytest.raises(RuntimeError, match="moved to other memory .* make the optimizer after"):
            use()


def test_repr_shows_the_groups(parameters):
    a, b, _ = parameters()
    optimizer = optim.Adagrad([{"params": [a]}, {"params": [b], "lr": 0.5}])
    assert repr(optimizer) == (
        "Adagrad(lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10, 1 parameters; "
        "lr=0.5, lr_decay=0.0, weight_decay=0.0, eps=1e-10, 1 parameters)"
    )
