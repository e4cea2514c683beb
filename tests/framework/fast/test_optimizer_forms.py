"""Optimizers' forms: blocks of any size, in threads or not, step as the lessons do."""

import numpy as np
import pytest
from update_rules import FORMED, RULES, make_parameters, train

from firstlight import Parameter, optim
from firstlight.fast import conditions
from firstlight.fast.blocked import optimizers
from firstlight.fast.blocked.optimizers import BlockedNorm, BlockedStep
from firstlight.fast.compiled.forms import CompiledAdam, CompiledAdamW, CompiledZero
from firstlight.support import forms

IN_PLACE = {
    optim.SGD: optimizers.BlockedSGD,
    optim.RMSprop: optimizers.BlockedRMSprop,
    optim.Adagrad: optimizers.BlockedAdagrad,
    optim.Adam: optimizers.BlockedAdam,
    optim.AdamW: optimizers.BlockedAdamW,
}


@pytest.fixture(params=RULES.values(), ids=RULES)
def make(request):
    return request.param


def trained(make, *used, dtype="float32", steps=5):
    """Return values and state after a few steps with these forms alone."""
    params = make_parameters(dtype)
    optimizer = make(params)
    with forms.only(*used):
        train(optimizer, params, steps)
    return [p.data for p in params] + list(optimizer.state_dict()["arrays"].values())


@pytest.mark.parametrize("make", FORMED.values(), ids=FORMED)
def test_a_rule_in_place_is_its_lesson(make):
    kind = type(make(make_parameters()))
    exact = trained(make, dtype="float64")
    lesson, form = trained(make), trained(make, BlockedStep, IN_PLACE[kind])
    for right, plain, found in zip(exact, lesson, form, strict=True):
        assert found.dtype == "float32"
        allowed = 4 * np.abs(plain - right).max() + 2e-6 * np.abs(right).max()
        assert np.abs(found - right).max() <= allowed


@pytest.mark.parametrize("block", [1, 3, 8, 10_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_do_not_depend_on_the_block_size(make, block, dtype, monkeypatch):
    used = (BlockedStep, *IN_PLACE.values())
    whole = trained(make, *used, dtype=dtype)
    monkeypatch.setattr(optimizers, "BLOCK", block)
    for one, other in zip(whole, trained(make, *used, dtype=dtype), strict=True):
        # another block length may take another SIMD path, which rounds alike but for the last bit
        np.testing.assert_allclose(one, other, rtol=1e-14 if dtype == "float64" else 1e-5, atol=0)


def test_blocks_on_all_cores_change_nothing(make, monkeypatch):
    def result():
        return [array.tobytes() for array in trained(make, *used)]

    used = (BlockedStep, *IN_PLACE.values())
    alone = result()
    monkeypatch.setattr(optimizers, "BLOCK", 16)
    monkeypatch.setattr(optimizers, "LARGE", 30)
    monkeypatch.setattr(optimizers, "even_rows", lambda count, row_bytes: 16)
    assert result() == alone


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
def test_amsgrad_has_no_form(kind, monkeypatch):
    found = []
    for amsgrad in (False, True):
        optimizer = kind(make_parameters("float32"), amsgrad=amsgrad)
        form = forms.choose(forms.lesson_of(kind.update), optimizer, {})
        found.append(form and form.name)
    assert found == [f"Blocked{kind.__name__}", None]


def test_a_strangers_rule_steps_in_blocks_too(monkeypatch):
    sizes = []

    class SignDescent(optim.Optimizer):
        def update(self, group, t, w, g):
            sizes.append(w.size)
            w -= group["lr"] * np.sign(g)

    p = Parameter(np.zeros(40, "float32"))
    optimizer = SignDescent([p], {"lr": 0.5})
    p.grad[...] = np.arange(40) - 10
    monkeypatch.setattr(optimizers, "BLOCK", 16)
    with forms.only(BlockedStep):
        optimizer.step()
    assert sizes == [16, 16, 8]
    np.testing.assert_array_equal(p.data, -0.5 * np.sign(np.arange(40) - 10))


def test_a_rule_that_is_overridden_is_used():
    class Ascent(optim.Adam):
        def update(self, group, t, w, g, m, v):
            w += group["lr"] * g

    assert forms.candidates(Ascent, "update") == []
    p = Parameter(np.zeros(3, "float32"))
    optimizer = Ascent([p], lr=0.5)
    p.grad[...] = 1
    optimizer.step()
    assert p.data.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("make", "form"), [(optim.Adam, CompiledAdam), (optim.AdamW, CompiledAdamW)]
)
def test_compiled_adam_is_equal_to_the_last_bit(make, form, monkeypatch):
    pytest.importorskip("numba", reason="needs numba")
    monkeypatch.setattr("firstlight.fast.conditions.numba_is_enabled", lambda: True)

    def rule(params):
        return make(params, lr=0.01, weight_decay=0.1)

    blocked = trained(rule, BlockedStep, IN_PLACE[make], steps=20)
    with conditions.every_size():
        compiled = trained(rule, BlockedStep, form, steps=20)
    for one, other in zip(blocked, compiled, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [1, 16_384, 50_000])
def test_compiled_zeros_reach_every_gradient_and_no_other_memory(size, monkeypatch):
    pytest.importorskip("numba", reason="needs numba")
    monkeypatch.setattr("firstlight.fast.conditions.numba_is_enabled", lambda: True)
    optimizer = optim.SGD([Parameter(np.zeros(size, "float32"))])
    memory = np.ones(size + 2, "float32")
    optimizer.flat.grad = memory[1:-1]
    with conditions.every_size(), forms.only(CompiledZero):
        optimizer.zero_grad()
    np.testing.assert_array_equal(memory, [1, *[0] * size, 1])


@pytest.mark.parametrize("scale", [1e30, 1.0, 1e-30])
def test_the_norm_neither_overflows_nor_vanishes(scale):
    values = np.float32(scale) * np.random.default_rng(0).standard_normal(1000).astype("float32")
    p = Parameter(np.zeros(1000, "float32"))
    optimizer = optim.SGD([p])
    p.grad[...] = values
    for used in ((), (BlockedNorm,)):
        with forms.only(*used):
            norm = optimizer.grad_norm()
        assert norm.dtype == "float64"
        assert norm == pytest.approx(np.linalg.norm(values.astype("float64")), rel=1e-6)
