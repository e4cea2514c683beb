"""A layer that writes down what runs, and forms for it; `own_forms` is a fixture."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.support import forms
from firstlight.support.forms import accelerated, by_dtype, form

X = np.float32([1, 2, 3])


@pytest.fixture(autouse=True)
def own_forms(monkeypatch):
    """Use forms, whatever the environment says, and forget those that a test registers."""
    monkeypatch.delenv("FIRSTLIGHT_FAST", raising=False)
    forms.forget_choices()
    nn.Linear(1, 1)(np.zeros((1, 1), "float32"))  # our own are imported
    monkeypatch.setattr(forms, "_registered", list(forms._registered))
    yield
    monkeypatch.undo()
    forms.forget_choices()


class Scale(fl.Module):
    """y = a x. Writes down what runs, as the lesson of this page."""

    def __init__(self):
        self.ran = []
        self.factor = fl.Parameter(np.float32([3]))

    @accelerated
    def forward(self, x):
        self.ran.append("lesson forward")
        self.save(x)
        return self.factor.data * x

    @accelerated
    def backward(self, dy):
        self.ran.append("lesson backward")
        (x,) = self.saved()
        self.factor.grad += (dy * x).sum()
        return dy * self.factor.data

    @accelerated
    def extend(self, x, more):
        self.ran.append("lesson extend")
        return x + more


@by_dtype
def float32(layer, x):
    """Float32 arrays."""
    return x.dtype == np.float32


def short(layer, x):
    """Fewer than 5 numbers."""
    return x.size < 5


def fast_form(target=Scale, name="Fast", when=(float32,), **options):
    """Register a form that writes down its name."""

    class Implementation:
        def forward(self, layer, x):
            layer.ran.append(f"{name} forward")
            layer.save(x, name)
            return layer.factor.data * x

        def backward(self, layer, dy):
            layer.ran.append(f"{name} backward")
            x, saved_by = layer.saved()
            assert saved_by == name
            layer.factor.grad += (dy * x).sum()
            return dy * layer.factor.data

    Implementation.__name__ = name
    return form(target, when=when, **options)(Implementation)


def step(layer, x=X):
    """Run a pair; return what ran."""
    layer.ran.clear()
    y = layer(x)
    layer.backward(np.ones_like(y))
    return layer.ran


def pair(name):
    return [f"{name} forward", f"{name} backward"]
