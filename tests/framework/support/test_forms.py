"""The choice of forms: which one runs, for which classes; FIRSTLIGHT_FAST=0; errors."""

import os
import subprocess
import sys

import numpy as np
import pytest
from form_samples import Scale, X, fast_form, float32, own_forms, pair, short, step

from firstlight import nn
from firstlight.support import forms
from firstlight.support.forms import accelerated, form

__all__ = ["own_forms"]  # a fixture of all tests here


def test_a_form_runs_where_its_conditions_hold():
    fast_form(when=[float32, short])
    layer = Scale()
    assert step(layer) == pair("Fast")
    assert step(layer, X.astype("float64")) == pair("lesson")
    assert step(layer, np.ones(7, "float32")) == pair("lesson")
    assert step(layer) == pair("Fast")


def test_a_method_that_is_replaced_for_a_while_keeps_its_form(monkeypatch):
    fast_form()
    layer, forward = Scale(), Scale.forward
    with monkeypatch.context() as patch:
        patch.setattr(Scale, "forward", lambda self, x: forward(self, x))
        assert step(layer) == pair("Fast")
    assert step(layer) == pair("Fast")


def test_the_form_registered_last_wins():
    layer = Scale()
    fast_form(name="First")
    assert step(layer) == pair("First")
    fast_form(name="Second", when=[short])
    assert step(layer) == pair("Second")
    assert step(layer, np.ones(7, "float32")) == pair("First")


def test_a_form_of_others_wins_over_ours():
    ran = []

    @form(nn.GELU)
    class Other:
        def forward(self, layer, x):
            ran.append("forward")
            layer.save(x)
            return x

        def backward(self, layer, dy):
            ran.append("backward")
            layer.saved()
            return dy

    layer = nn.GELU()
    assert layer.backward(layer(X)) is X
    assert ran == ["forward", "backward"]
    with forms.only():
        assert layer(X) is not X


@pytest.mark.forms
def test_a_form_of_others_wins_though_ours_are_imported_later():
    script = """
import numpy as np
from firstlight import nn
from firstlight.support.forms import form, registered

@form(nn.GELU)
class Other:
    def forward(self, layer, x):
        layer.save(x)
        return x

    def backward(self, layer, dy):
        layer.saved()
        return dy

x = np.ones(3, "float32")
assert nn.GELU()(x) is x
assert registered()[0].name == "Other" and len(registered()) > 1
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_other_methods_choose_at_each_call():
    @form(Scale, when=[float32])
    class Extend:
        def extend(self, layer, x, more):
            return "fast"

    layer = Scale()
    assert layer.extend(X, more=1) == "fast"
    np.testing.assert_array_equal(layer.extend(X.astype("float64"), 1), X + 1)
    assert step(layer) == pair("lesson")


def test_forms_on_request_run_within_only():
    slow = fast_form(name="Slow", on_request=True)
    layer = Scale()
    assert step(layer) == pair("lesson")
    with forms.only(slow):
        assert step(layer) == pair("Slow")
    assert step(layer) == pair("lesson")


def test_only_ends_with_an_exception_and_nests():
    fast, other = fast_form(), fast_form(name="Other")
    layer = Scale()
    with forms.only(fast):
        with pytest.raises(ZeroDivisionError), forms.only(other):
            raise ZeroDivisionError(step(layer))
        assert layer.ran == pair("Other")
        assert step(layer) == pair("Fast")
    assert step(layer) == pair("Other")


def test_forms_that_are_always_used_are_used_within_only():
    fast_form(name="Always", always=True)
    with forms.only():
        assert step(Scale()) == pair("Always")


# --- subclasses ----------------------------------------------------------------------------------


class Renamed(Scale):
    pass


class OwnForward(Scale):
    def forward(self, x):
        self.ran.append("own forward")
        return super().forward(x)


class OwnBackward(Scale):
    def backward(self, dy):
        self.ran.append("own backward")
        return super().backward(dy)


class OwnPair(Scale):
    @accelerated
    def forward(self, x):
        self.ran.append("own forward")
        return super().forward(x).reshape(1, -1)

    @accelerated
    def backward(self, dy):
        self.ran.append("own backward")
        return super().backward(dy[0])


def test_a_subclass_gets_the_form():
    fast_form()
    assert step(Renamed()) == pair("Fast")


@pytest.mark.parametrize(
    ("kind", "ran"),
    [
        (OwnForward, ["own forward", "lesson forward", "lesson backward"]),
        (OwnBackward, ["lesson forward", "own backward", "lesson backward"]),
        (OwnPair, ["own forward", "lesson forward", "own backward", "lesson backward"]),
    ],
)
def test_a_subclass_that_overrides_a_method_gets_none(kind, ran):
    fast_form()
    layer = kind()
    assert step(layer) == ran
    assert layer._stack == []


def test_a_subclass_of_ours_that_overrides_a_method_gets_none():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dy):
            return super().backward(2 * dy)

    layer = Doubled(3, 2)
    assert forms.candidates(Doubled, "forward") == []
    y = layer(X[None])
    np.testing.assert_allclose(y, 2 * (X[None] @ layer.weight.data.T + layer.bias.data), 1e-6)
    layer.backward(y)


def test_a_form_of_a_subclass_may_call_the_method_it_extends():
    fast_form()

    @form(OwnPair)
    class Own:
        def forward(self, layer, x):
            layer.ran.append("Own forward")
            return Scale.forward(layer, x).reshape(1, -1)

        def backward(self, layer, dy):
            layer.ran.append("Own backward")
            return Scale.backward(layer, dy[0])

    layer = OwnPair()
    ran = ["Own forward", "lesson forward", "Own backward", "lesson backward"]
    assert step(layer) == ran
    layer(X)
    with pytest.raises(ValueError, match=r"expected dy of shape \(1, 3\)"):
        layer.backward(X)
    assert layer._stack == []


# --- FIRSTLIGHT_FAST, errors ---------------------------------------------------------------------


def test_the_environment_disables_forms():
    script = """
import sys
import numpy as np
import firstlight as fl
from firstlight import nn
from firstlight.support import forms

layer, x = nn.Linear(3, 2), np.ones((4, 3), "float32")
y = layer(x)
assert layer._stack[-1].form is None
assert "firstlight.fast.forms" not in sys.modules

@forms.form(nn.Linear, always=True)
class Always:
    def forward(self, layer, x):
        layer.save()
        return x

    def backward(self, layer, dy):
        layer.saved()
        return dy

assert layer(x) is x
assert forms.registered()  # though none of ours is used
assert nn.GELU().forward(x) is not None
gelu = nn.GELU()
gelu(x)
assert gelu._stack[-1].form is None
"""
    environment = {**os.environ, "FIRSTLIGHT_FAST": "0"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_a_target_without_accelerated_methods_is_refused():
    with pytest.raises(TypeError, match=r"form Fast: .* of Sequential, .* got \[\]; decor"):
        fast_form(nn.Sequential)


def test_forward_without_backward_is_refused():
    with pytest.raises(TypeError, match=r"forward and backward as a pair, got \['forward'\]"):

        @form(Scale)
        class Half:
            def forward(self, layer, x):
                return x
