"""Every form of a layer computes what its lesson computes, on every case of the layer table."""

import copy

import numpy as np
import pytest
from form_pairs import (
    assert_as_exact,
    gives_limits,
    infinities,
    is_layer_form,
    layer_forms,
    lessons,
    nans,
    on_gpu,
    pairs,
    passes,
    reaches,
    strided,
)
from layer_table_large import LARGE_CASES
from threadpoolctl import threadpool_limits

from firstlight.fast import conditions
from firstlight.fast.blocked import parallel
from firstlight.support import forms

ON_HOST = [form for form in layer_forms() if not on_gpu(form)]
QUICK = [form for form in ON_HOST if not form.on_request]
ALL, OWN, LARGE = pairs(ON_HOST), pairs(ON_HOST, inside=False), pairs(QUICK, LARGE_CASES)


def each(found):
    return pytest.mark.parametrize(
        ("case", "form"), [pytest.param(*p, id=f"{p[0].name}-{p[1].name}") for p in found]
    )


COMPILED = {conditions.compiled, conditions.compiled_products, conditions.compiled_tiles}


@pytest.fixture(autouse=True)
def _needs_numba(request):
    """Skip compiled forms where numba is not installed."""
    form = getattr(request.node, "callspec", None) and request.node.callspec.params.get("form")
    if form and COMPILED & {*form.when}:
        pytest.importorskip("numba", reason="needs numba")


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Allow compiled forms, as for a user, and give them the small inputs of the table too."""
    monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    conditions.numba_is_enabled.cache_clear()
    with conditions.every_size():
        yield
    monkeypatch.undo()
    conditions.numba_is_enabled.cache_clear()
    forms.forget_choices()


def compare(case, form, change=np.asarray, warnings="raise"):
    """Compare a form with its lesson."""
    layer, inputs, dy, right, plain = lessons(case, change)
    before = [np.copy(x) for x in (*inputs, dy)]
    with forms.only(type(form.instance)), np.errstate(all=warnings):
        found = passes(copy.deepcopy(layer), inputs, dy)
    for x, given in zip((*inputs, dy), before, strict=True):
        np.testing.assert_array_equal(x, given)  # not changed in place
    assert_as_exact(found, right, plain, gives_limits(form, change))


@each(ALL)
def test_a_form_computes_its_lesson(case, form):
    compare(case, form)


@each(OWN)
def test_strided_input(case, form):
    compare(case, form, strided)


@each(OWN)
def test_small_blocks_in_threads(case, form, monkeypatch):
    monkeypatch.setattr(parallel, "BLOCK_BYTES", 64)
    with threadpool_limits(2, user_api="blas"):
        compare(case, form)


@each(LARGE)
def test_large_input_in_threads(case, form):
    with threadpool_limits(2, user_api="blas"):
        compare(case, form)


@each(OWN)
def test_nan_and_infinity(case, form):
    with threadpool_limits(1, user_api="blas"):  # np.errstate applies to one thread
        compare(case, form, nans, "ignore")
        compare(case, form, infinities, "ignore")


@pytest.mark.parametrize("form", ON_HOST, ids=lambda form: form.name)
def test_the_table_reaches_every_form(form):
    cases = [case for case, one in ALL + LARGE if one is form]
    assert any(reaches(case, form) for case in cases), f"add a case for {form.name}: {form.when}"


def test_every_other_form_has_a_test():
    tested_in = {
        "test_optimizer_forms.py": {
            *("BlockedStep", "BlockedNorm", "BlockedSGD", "BlockedRMSprop", "BlockedAdagrad"),
            *("BlockedAdam", "BlockedAdamW", "CompiledAdam", "CompiledAdamW"),
            "CompiledZero",
        },
        "test_cuda_optimizers.py": {
            *("CudaNorm", "CudaSGD", "CudaRMSprop", "CudaAdagrad", "CudaAdam", "CudaAdamW")
        },
        "test_loss_scale.py": {"CudaLossScale"},
        "test_kernel_twins.py": {"CudaAccuracy", "CudaGather", "CudaMeans"},
    }
    others = {f.name for f in forms.registered() if not is_layer_form(f)}
    assert others == set().union(*tested_in.values())
