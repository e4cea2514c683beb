"""check_gradients finds every kind of mistake, names it, and leaves no trace."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.support import rng as randomness
from firstlight.support.gradcheck import check_gradients

X = np.random.default_rng(3).standard_normal((4, 3)).astype("float32")


class Scale(fl.Module):
    """y = w x, with backward as given: right, or wrong in one way."""

    def __init__(self, wrong=""):
        self.weight = fl.Parameter(np.ones(3, "float32"))
        self.wrong = wrong

    def forward(self, x):
        if self.wrong == "modifies x":
            x *= 2
        self.save(x)
        if self.wrong == "saves twice":
            self.save(x)
        return x * self.weight.data

    def backward(self, dy):
        (x,) = self.saved()
        dw = (dy * x).sum(axis=0)
        if self.wrong == "overwrites":
            self.weight.grad[...] = dw
        else:
            self.weight.grad += dw.mean() if self.wrong == "dw" else dw
        if self.wrong == "modifies dy":
            dy *= self.weight.data
            return dy
        dx = (
            dy if self.wrong == "forgets the weight, which is 1 at first" else dy * self.weight.data
        )
        if self.wrong == "sign":
            return -dx
        if self.wrong == "nan":
            return dx * np.nan
        if self.wrong == "none":
            return None
        if self.wrong == "dtype":
            return dx.astype("float32")
        return dx[:1] if self.wrong == "shape" else dx


def test_right_gradients_pass():
    check_gradients(Scale(), X)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("dw", r"Scale: weight\.grad is wrong: along a random direction backward gives [-\d.e]+, "),
        ("sign", r"Scale: dx is wrong: .* central differences of forward give [-\d.e]+; check"),
        ("forgets the weight, which is 1 at first", "Scale: dx is wrong"),
        ("nan", "dx is wrong: along a random direction backward gives nan"),
        ("overwrites", r"weight\.grad is not twice as large .* self\.weight\.grad \+="),
        ("saves twice", r"2 of 2 forwards of the module itself \(Scale\) were not undone"),
        ("modifies x", "x was modified in place; work on a copy"),
        ("modifies dy", "dy was modified in place"),
        ("none", "backward returned None; return dx, or set needs_dx=False"),
        ("dtype", r"expected dx of \(4, 3\) float64, as x is, got \(4, 3\) float32"),
        ("shape", r"expected dx of \(4, 3\) float64, as x is, got \(1, 3\) float64"),
    ],
)
def test_each_mistake_is_found_and_named(wrong, message):
    with pytest.raises(AssertionError, match="check_gradients: Scale: ") as caught:
        check_gradients(Scale(wrong), X)
    assert caught.match(message)


def test_the_place_is_named_by_its_path():
    with pytest.raises(AssertionError, match=r"Sequential: 1\.weight\.grad is wrong"):
        check_gradients(nn.Sequential(nn.Linear(3, 3), Scale("dw")), X)


def test_a_mistake_in_one_element_of_many_is_found():
    class Off(fl.Module):
        def forward(self, x):
            self.save()
            return 2 * x

        def backward(self, dy):
            self.saved()
            dx = 2 * dy
            dx[7, 7] *= 1.001
            return dx

    with pytest.raises(AssertionError, match="dx is wrong"):
        check_gradients(Off(), np.random.default_rng(0).standard_normal((50, 20)))


def test_frozen_parameters_are_left_out():
    check_gradients(Scale("dw").freeze(), X)


def test_dx_is_not_asked_for_where_nobody_needs_it():
    check_gradients(nn.Sequential(nn.Linear(3, 2, needs_dx=False), nn.Tanh()), X)


def test_integer_input_has_no_gradient():
    class Table(fl.Module):
        def __init__(self):
            self.weight = fl.Parameter(np.ones((5, 2), "float32"))

        def forward(self, x):
            self.save(x)
            return self.weight.data[x]

        def backward(self, dy):
            (x,) = self.saved()
            np.add.at(self.weight.grad, x, dy)

    check_gradients(Table(), np.array([0, 4, 4, 1]))


@pytest.mark.parametrize("factor", [2.0, 2.1])
def test_a_loss_takes_a_target_and_a_scalar_dy(factor):
    class Squares(fl.Module):
        def forward(self, prediction, target):
            self.save(prediction - target)
            return float(((prediction - target) ** 2).sum())

        def backward(self, dy=1.0):
            (difference,) = self.saved()
            return factor * dy * difference

    if factor == 2.0:
        check_gradients(Squares(), X, X[::-1])
    else:
        with pytest.raises(AssertionError, match="Squares: dx is wrong"):
            check_gradients(Squares(), X, X[::-1])


def test_dropout_meets_the_same_mask_each_time():
    net = nn.Sequential(
        nn.Dropout(0.4), nn.Linear(3, 2), nn.Dropout(0.5, rng=np.random.default_rng(1))
    )
    check_gradients(net, X)


def test_evaluation_is_checked_in_evaluation():
    norm = nn.BatchNorm1d(3)
    norm.running_var.data[...] = 4
    check_gradients(norm.eval(), X)
    net = nn.Sequential(nn.Linear(3, 3), norm)  # the norm alone is frozen in evaluation
    norm.eval()
    check_gradients(net, X)


def test_module_input_and_random_numbers_stay_as_they_were():
    own = np.random.default_rng(1)
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Dropout(rng=own))
    net[0].weight.grad[...] = 7
    x, state, streams = X.copy(), net.state_dict(), randomness.state_dict()
    own_state = own.bit_generator.state
    check_gradients(net, x)
    np.testing.assert_array_equal(x, X)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
        assert array.dtype == "float32"
    assert (net[0].weight.grad == 7).all()
    assert randomness.state_dict() == streams
    assert own.bit_generator.state == own_state
    assert net.training
    with pytest.raises(RuntimeError, match="no forward left to undo"):
        net.backward(X)
