"""Backward runs the form that ran forward, whatever happens in between, and in threads."""

import copy
import subprocess
import sys
import threading

import numpy as np
import pytest
from form_samples import Scale, X, fast_form, float32, own_forms, pair, short, step

import firstlight as fl
from firstlight import nn
from firstlight.support import forms
from firstlight.support.forms import accelerated, form

__all__ = ["own_forms"]  # a fixture of all tests here


def test_backward_runs_what_ran_forward_though_the_choice_changed():
    fast = fast_form()
    layer = Scale()
    with forms.only():
        layer(X)
    layer(X)
    with forms.only(fast):
        layer(X)
    with forms.only():
        layer.backward(X)
    layer.backward(X)
    with forms.only(fast):
        layer.backward(X)
    later = ["Fast backward", "Fast backward", "lesson backward"]
    assert layer.ran == ["lesson forward", "Fast forward", "Fast forward", *later]


def test_each_call_of_a_shared_layer_keeps_its_form():
    fast_form(when=[short])
    layer = Scale()
    long = np.ones(9, "float32")
    for x in (X, long, X):
        layer(x)
    for x in (X, long, X):
        assert layer.backward(x).shape == x.shape
    names = ["Fast", "lesson", "Fast"]
    assert layer.ran == [f"{n} forward" for n in names] + [f"{n} backward" for n in names]


def test_a_forward_that_fails_leaves_nothing_behind():
    @form(Scale, when=[float32])
    class Fails:
        def forward(self, layer, x):
            layer.save(x, "of the form that fails")
            raise FloatingPointError

        def backward(self, layer, dy):
            raise AssertionError

    layer = Scale()
    wide = X.astype("float64")
    layer(wide)
    with pytest.raises(FloatingPointError):
        layer(X)
    layer.backward(wide)
    assert layer.ran == pair("lesson")
    assert layer._stack == []


def test_a_backward_of_the_wrong_shape_is_refused_and_popped():
    fast_form()
    layer = Scale()
    layer(X)
    for dy, came in ((X[:2], r"shape \(2,\)"), (None, "None")):
        layer(X)
        with pytest.raises(
            ValueError, match=rf"Scale.backward: expected dy of shape .3,., .*{came}"
        ):
            layer.backward(dy)
    layer.backward(X)
    with pytest.raises(RuntimeError, match="no forward left to undo"):
        layer.backward(X)


@pytest.mark.parametrize("annotation", [np.ndarray | None, "np.ndarray | None"])
def test_dy_may_be_none_where_it_is_annotated_so(annotation):
    class Skipped(fl.Module):
        @accelerated
        def forward(self, x):
            self.save(x)
            return x

        def backward(self, dy):
            self.saved()
            return dy

        backward.__annotations__["dy"] = annotation
        backward = accelerated(backward)

    layer = Skipped()
    layer(X)
    assert layer.backward(None) is None


def test_evaluation_saves_nothing_unless_it_is_to_keep_backward():
    fast_form()
    layer = Scale().eval()
    layer(X)
    with pytest.raises(RuntimeError, match="call train"):
        layer.backward(X)
    assert step(layer.eval(keep_backward=True)) == pair("Fast")


def test_recompute_runs_pairs():
    block = nn.TransformerEncoderLayer(8, 2, dropout=0.0, recompute=True)
    plain = copy.deepcopy(block)
    plain.recompute = False
    x = np.random.default_rng(0).standard_normal((2, 5, 8)).astype("float32")
    y = block(x)
    with forms.only():  # the second forward runs the lessons, and so do the backwards
        dx = block.backward(y)
    expected = plain(x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, plain.backward(expected), rtol=1e-4, atol=1e-5)
    assert not any(part._stack for part in block.modules())


def test_a_copy_keeps_its_own_saved_values_and_the_form():
    fast_form()
    layer = Scale()
    layer(X)
    other = copy.deepcopy(layer)
    assert other._stack[-1].form is layer._stack[-1].form
    assert other._stack[-1][0] is not layer._stack[-1][0]
    with forms.only():
        np.testing.assert_array_equal(other.backward(X), layer.backward(X))
    assert layer.ran == other.ran == pair("Fast")
    assert layer.factor.grad == other.factor.grad == X @ X


def test_a_layer_may_move_between_forward_and_backward():
    fast_form()
    layer = Scale()
    layer(X)
    layer.to(device="cpu", dtype="float64")
    assert layer.backward(X.astype("float64")).dtype == np.float64
    assert layer.ran == pair("Fast")


def test_a_layer_that_saves_nothing_runs():
    class Double(fl.Module):
        @accelerated
        def forward(self, x):
            return 2 * x

        @accelerated
        def backward(self, dy):
            return 2 * dy

    layer = Double()
    np.testing.assert_array_equal(layer.backward(layer(X)), 4 * X)


def test_the_input_is_checked_before_the_choice():
    class Checked(Scale):
        def check_input(self, x):
            if not isinstance(x, np.ndarray):
                raise TypeError("an array, please")

    fast_form(Checked)
    with pytest.raises(TypeError, match="an array, please"):
        Checked()([1, 2])
    assert step(Checked()) == pair("Fast")


# --- threads -------------------------------------------------------------------------------------


def test_threads_choose_alike_while_the_choice_changes():
    fast = fast_form()
    problems, stop = [], threading.Event()

    def work():
        layer = Scale()
        try:
            while not stop.is_set():
                forward, backward = step(layer)
                assert forward.split()[0] == backward.split()[0]
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        with forms.only():
            assert step(Scale()) == pair("lesson")
        with forms.only(fast):
            assert step(Scale()) == pair("Fast")
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert step(Scale()) == pair("Fast")


@pytest.mark.forms
def test_first_calls_in_threads_wait_for_our_forms():
    script = """
import threading
import numpy as np
from firstlight import nn
from firstlight.support import forms

layers, x = [nn.Linear(3, 2) for _ in range(8)], np.ones((4, 3), "float32")
threads = [threading.Thread(target=layer, args=(x,)) for layer in layers]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ran = {layer._stack[-1].form for layer in layers}
assert len(ran) == 1 and None not in ran, ran
"""
    subprocess.run([sys.executable, "-c", script], check=True)
