import numpy as np
import pytest

from firstlight import Parameter, Role, Trainer, optim
from firstlight.callbacks import GradientClip
from firstlight.support.backend import to_host


def optimizer(dtype="float64"):
    rng = np.random.default_rng(1)
    params = [Parameter(np.zeros(shape, dtype)) for shape in ((3, 4), (5,), (6,))]
    made = optim.SGD(params)
    for p in params:
        p.grad[...] = rng.standard_normal(p.shape)
    return made, params


def flat(params):
    return np.concatenate([p.grad.ravel() for p in params])


def test_max_norm_scales_the_whole_gradient():
    made, params = optimizer()
    before = flat(params)
    norm = np.linalg.norm(before)
    clip = GradientClip(max_norm=0.5)
    clip.on_before_optimizer_step(made)
    np.testing.assert_allclose(flat(params), before * 0.5 / (norm + 1e-6), rtol=1e-14)
    np.testing.assert_allclose(clip.last_norm, norm, rtol=1e-14)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e20), ("float32", 2e38), ("float32", 1e-25), ("float16", 6e4)]
)
def test_a_gradient_whose_squares_are_out_of_range_has_its_norm(dtype, size):
    made, params = optimizer(dtype)
    for p in params:
        p.grad[...] = size
    clip = GradientClip(max_norm=1.0)
    clip.on_before_optimizer_step(made)
    np.testing.assert_allclose(clip.last_norm, size * 23**0.5, rtol=1e-2)
    after = flat(params).astype("float64")
    np.testing.assert_allclose(after, 23**-0.5 if size > 1 else size, rtol=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_makes_the_norm_so(bad):
    made, params = optimizer("float32")
    params[1].grad[2] = bad
    np.testing.assert_equal(float(made.grad_norm()), bad)


def test_a_small_gradient_stays_bit_for_bit():
    made, params = optimizer("float32")
    before = flat(params)
    GradientClip(max_norm=100.0, clip_value=50.0).on_before_optimizer_step(made)
    np.testing.assert_array_equal(flat(params), before)
    assert made.flat.grad.dtype == "float32"


def test_clip_value_clamps_entries():
    made, params = optimizer()
    before = flat(params)
    clip = GradientClip(clip_value=0.3)
    clip.on_before_optimizer_step(made)
    np.testing.assert_array_equal(flat(params), np.clip(before, -0.3, 0.3))
    assert clip.last_norm is None


def test_both_clamp_first():
    made, params = optimizer()
    clamped = np.clip(flat(params), -0.3, 0.3)
    GradientClip(max_norm=0.1, clip_value=0.3).on_before_optimizer_step(made)
    np.testing.assert_allclose(
        flat(params), clamped * 0.1 / (np.linalg.norm(clamped) + 1e-6), rtol=1e-14
    )


def test_frozen_parameters_do_not_count():
    made, params = optimizer()
    params[1].requires_grad = False
    params[1].grad[...] = 1e6
    trained = np.concatenate([params[0].grad.ravel(), params[2].grad])
    clip = GradientClip(max_norm=0.5)
    clip.on_before_optimizer_step(made)
    np.testing.assert_allclose(clip.last_norm, np.linalg.norm(trained), rtol=1e-14)
    assert (params[1].grad == 1e6).all()


def test_a_nan_is_not_hidden():
    made, params = optimizer()
    params[0].grad[0, 0] = np.nan
    GradientClip(max_norm=1.0).on_before_optimizer_step(made)
    assert np.isnan(flat(params)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "set max_norm, e.g. 1.0, or clip_value, or both"),
        ({"max_norm": 0}, "expected max_norm above 0, got 0"),
        ({"clip_value": -1.0}, "expected clip_value above 0, got -1.0"),
        ({"max_norm": float("nan")}, "expected max_norm above 0, got nan"),
    ],
)
def test_bad_limits(settings, message):
    with pytest.raises(ValueError, match=message):
        GradientClip(**settings)


def test_in_a_training_each_step_is_short(line, line_data, quiet):
    """With plain SGD a step is lr times the gradient, so max_norm bounds its length."""
    model = line(lr=1.0)
    clip = GradientClip(max_norm=0.01)
    trainer = Trainer(max_epochs=1, callbacks=[clip], **quiet)
    before = [to_host(p.data).copy() for p in model.parameters()]
    trainer.fit(model, line_data)
    moved = sum(
        ((to_host(p.data) - b) ** 2).sum() for p, b in zip(model.parameters(), before, strict=True)
    )
    assert 0 < moved**0.5 <= trainer.step * 0.01 * (1 + 1e-5)
    assert clip.last_norm > 0.01
    assert GradientClip.role == Role.EDITOR
