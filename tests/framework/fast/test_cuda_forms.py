"""CUDA forms compute what the lessons compute with NumPy."""

import copy

import numpy as np
import pytest
from form_pairs import (
    assert_as_exact,
    gives_limits,
    infinities,
    layer_forms,
    lessons,
    nans,
    on_gpu,
    pairs,
    passes,
    reaches,
    strided,
)

from firstlight.support import backend, forms

DEVICE = "cuda:0"
ON_DEVICE = [form for form in layer_forms() if on_gpu(form)]
OWN = pairs(ON_DEVICE, inside=False)
pytestmark = pytest.mark.gpu
each = pytest.mark.parametrize(
    ("case", "form"), [pytest.param(*p, id=f"{p[0].name}-{p[1].name}") for p in OWN]
)


def on_device(x):
    return backend.to_device(x, DEVICE)


def compare(case, form, change=np.asarray, place=on_device):
    """Compare a form with its lesson."""
    layer, inputs, dy, right, plain = lessons(case, change, dropout=False)
    layer = copy.deepcopy(layer).to(device=DEVICE)
    inputs, dy = [place(x) for x in inputs], dy if isinstance(dy, float) else place(dy)
    with forms.only(type(form.instance)), np.errstate(all="ignore"):
        found = passes(layer, inputs, dy)
    found = [y if y is None else np.array(backend.to_host(y)) for y in found]
    assert_as_exact(found, right, plain, gives_limits(form, change))


@each
def test_a_form_computes_its_lesson(case, form):
    compare(case, form)


@each
def test_strided_input(case, form):
    compare(case, form, place=lambda x: strided(x, on_device))


@each
def test_nan_and_infinity(case, form):
    compare(case, form, nans)
    compare(case, form, infinities)


@pytest.mark.parametrize("form", ON_DEVICE, ids=lambda form: form.name)
def test_the_table_reaches_every_form(form):
    cases = [case for case, one in OWN if one is form]
    reached = any(reaches(case, form, on_device, DEVICE) for case in cases)
    assert reached, f"add a case for {form.name}: {form.when}"
