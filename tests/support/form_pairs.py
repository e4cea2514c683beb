"""Pairs of a form and a case of the layer table, and their comparison with the lesson."""

import copy
from functools import cache

import numpy as np
import pytest
from layer_table import CASES

from firstlight import Module, nn
from firstlight.distributed.normalisation import several_ranks
from firstlight.fast import conditions
from firstlight.support import forms
from firstlight.support import rng as randomness


def layer_forms():
    """Return the forms of layers' forward and backward that a training of one process uses."""
    return [
        form
        for form in forms.registered()
        if is_layer_form(form) and not form.always and several_ranks not in form.when
    ]


def is_layer_form(form):
    """Return True if a form takes part in a layer's forward and backward."""
    return issubclass(form.target, Module) and "metrics" not in form.methods


def on_gpu(form):
    """Return True if a form is one for CuPy's arrays."""
    ours = {conditions.gpu_float, conditions.gpu_stored, conditions.gpu_float_weight}
    return not ours.isdisjoint(form.when)


def pairs(chosen, cases=CASES, inside=True):
    """Return ``(case, form)`` for those of the chosen forms that apply to a case's layer.

    With ``inside``, to a part of it too.
    """
    found = []
    for case in cases:
        layer = case.make()
        outer = vars(layer).get("layer", layer)  # without what gives it a mask
        kinds = {type(part) for part in (layer.modules() if inside else [outer])}
        for form in chosen:
            if any(form.replaces(kind, form.methods[0]) for kind in kinds):
                found.append((case, form))
    return found


def nans(x):
    if x.dtype.kind == "f":
        x.reshape(-1)[1::7] = np.nan
    return x


def infinities(x):
    if x.dtype.kind == "f":
        x.reshape(-1)[1::14] = np.inf
        x.reshape(-1)[8::14] = -np.inf
    return x


def strided(x, place=np.asarray):
    """Return every second element of a larger array whose axes are reversed in memory."""
    every_second = tuple(slice(None, None, 2) for _ in x.shape)
    larger = np.full([2 * n for n in x.shape[::-1]], 7, x.dtype)
    larger.T[every_second] = x
    return place(larger).T[every_second]


def passes(layer, inputs, dy):
    """Return y, dx and the gradients of the parameters; dropout draws the same each time."""
    randomness.seed_everything(0)
    y = layer(*inputs)
    randomness.seed_everything(0)
    dx = layer.backward(dy)
    assert not any(part._stack for part in layer.modules())
    return [*parts(y), *parts(dx), *(parameter.grad for parameter in layer.parameters())]


def parts(value):
    return value if isinstance(value, tuple) else (value,)


@cache
def lessons(case, change=np.asarray, dropout=True):
    """Return a layer, inputs, dy, and the lesson's results in float64 and in float32."""
    rng = np.random.default_rng(7)
    layer = case.make()
    for parameter in layer.parameters():
        parameter.data[...] += 0.3 * rng.standard_normal(parameter.shape).astype("float32")
    for part in [] if dropout else layer.modules():
        for name in {"dropout", "p"} & {*vars(part)}:
            if isinstance(getattr(part, name), float):
                setattr(part, name, 0.0)
    exact, lesson = copy.deepcopy(layer).to(dtype="float64"), copy.deepcopy(layer)
    first, *others = case.inputs(rng)
    inputs = [change(first), *(strided(x) if change is strided else x for x in others)]
    wide = [x.astype("float64") if x.dtype.kind == "f" else x for x in inputs]
    with forms.only(), np.errstate(all="ignore"):
        y = copy.deepcopy(exact)(*wide)
        dy = 1.5 if np.ndim(y) == 0 else rng.standard_normal(y.shape).astype("float32")
        if np.ndim(y) and (change is strided or not case.is_loss):  # which may ignore rows
            dy = change(dy)
        right = passes(exact, wide, dy if isinstance(dy, float) else dy.astype("float64"))
        plain = passes(lesson, inputs, dy)
    return layer, inputs, dy, right, plain


def assert_as_exact(found, right, plain, limits=False):
    """Compare results with the lesson's: its float64 is the truth, its float32 gives the error.

    What is NaN in the lesson must not be finite, unless a form gives ``limits``: 0 for -inf · 0.
    """
    for true, rounded, y in zip(right, plain, found, strict=True):
        if true is None:
            assert y is None
            continue
        assert y.dtype == rounded.dtype
        assert y.shape == rounded.shape
        finite = np.isfinite(true) & np.isfinite(rounded)
        size = max(1.0, np.abs(true[finite]).max(initial=0))
        allowed = 4 * np.abs(rounded[finite] - true[finite]).max(initial=0) + 2e-6 * size
        assert np.abs(y[finite] - true[finite]).max(initial=0) <= allowed
        lost = np.isnan(rounded) & np.isfinite(y)
        assert limits or not lost.any(), y[lost]


def reaches(case, form, place=np.asarray, device="cpu"):
    """Return True if a case's layer runs a method of the form."""
    reached = []

    def seen(method):
        def run(*args, **options):
            reached.append(method)
            return method(*args, **options)

        return run

    inputs = [place(x) for x in case.inputs(np.random.default_rng(7))]
    with pytest.MonkeyPatch.context() as patch, forms.only(type(form.instance)):
        for name in form.methods:
            patch.setattr(form.instance, name, seen(getattr(form.instance, name)))
        case.make().to(device=device)(*inputs)
    return bool(reached)


def gives_limits(form, change):
    return change is infinities and form.target in (nn.GELU, nn.FeedForward)
