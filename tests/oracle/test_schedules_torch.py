import math
import warnings

import numpy as np
import pytest

from firstlight.optim import schedules

torch = pytest.importorskip("torch")
lr_scheduler = torch.optim.lr_scheduler

STEPS = 200
LRS = [0.1, 0.003]  # two groups


def optimizer():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in LRS]
    return torch.optim.SGD(groups)


def torch_curves(make, steps=STEPS):
    """Return the learning rates of both groups at each step, shape (steps, 2)."""
    sgd = optimizer()
    scheduler, found = make(sgd), []
    for _ in range(steps):
        found.append([group["lr"] for group in sgd.param_groups])
        sgd.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SequentialLR calls step(epoch), which is deprecated
            scheduler.step()
    return np.array(found)


def our_curves(schedule, steps=STEPS, **settings):
    return np.array([[schedule(step, lr, **settings) for lr in LRS] for step in range(steps)])


CASES = {
    "step": (
        lambda o: lr_scheduler.StepLR(o, 30, gamma=0.5),
        (schedules.step, {"step_size": 30, "gamma": 0.5}),
    ),
    "step-default": (
        lambda o: lr_scheduler.StepLR(o, 50),
        (schedules.step, {"step_size": 50}),
    ),
    "multistep": (
        lambda o: lr_scheduler.MultiStepLR(o, [20, 21, 150], gamma=0.3),
        (schedules.multistep, {"milestones": [20, 21, 150], "gamma": 0.3}),
    ),
    "exponential": (
        lambda o: lr_scheduler.ExponentialLR(o, 0.97),
        (schedules.exponential, {"gamma": 0.97}),
    ),
    "linear": (
        lambda o: lr_scheduler.LinearLR(o, start_factor=1, end_factor=0.2, total_iters=150),
        (
            lambda step, lr, **s: schedules.linear(step, lr, eta_min=lr / 5, **s),
            {"total_steps": 150},
        ),
    ),
    "cosine": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 200, eta_min=1e-4),
        (schedules.cosine, {"total_steps": 200, "eta_min": 1e-4}),
    ),
    "cosine-to-0": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 250),
        (schedules.cosine, {"total_steps": 250}),
    ),
    "cosine-and-up-again": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 60, eta_min=1e-3),
        (schedules.cosine, {"total_steps": 60, "eta_min": 1e-3}),
    ),
    "cosine_restarts": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 30, eta_min=1e-4),
        (schedules.cosine_restarts, {"T_0": 30, "eta_min": 1e-4}),
    ),
    "cosine_restarts-longer": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, T_mult=3),
        (schedules.cosine_restarts, {"T_0": 7, "T_mult": 3}),
    ),
    "polynomial": (
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=150, power=2.5),
        (schedules.polynomial, {"total_steps": 150, "power": 2.5}),
    ),
    "polynomial-default": (
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=201),
        (schedules.polynomial, {"total_steps": 201}),
    ),
    "inverse_sqrt": (
        lambda o: lr_scheduler.LambdaLR(
            o, lambda s: math.sqrt(41) * min((s + 1) ** -0.5, (s + 1) * 41**-1.5)
        ),
        (schedules.inverse_sqrt, {"warmup_steps": 40}),
    ),
    "warmup": (
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 41, total_iters=40),
        (schedules.warmup, {"warmup_steps": 40}),
    ),
    "warmup_cosine": (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 26, total_iters=25),
                lr_scheduler.CosineAnnealingLR(o, 175, eta_min=1e-4),
            ],
            milestones=[25],
        ),
        (schedules.warmup_cosine, {"total_steps": 200, "warmup_steps": 25, "eta_min": 1e-4}),
    ),
    "one_cycle": (
        lambda o: lr_scheduler.OneCycleLR(o, LRS, total_steps=201, cycle_momentum=False),
        (schedules.one_cycle, {"total_steps": 201}),
    ),
    "one_cycle-settings": (
        lambda o: lr_scheduler.OneCycleLR(
            o,
            LRS,
            total_steps=210,
            pct_start=0.45,
            div_factor=7,
            final_div_factor=50,
            cycle_momentum=False,
        ),
        (
            schedules.one_cycle,
            {"total_steps": 210, "pct_start": 0.45, "div_factor": 7, "final_div_factor": 50},
        ),
    ),
}


@pytest.mark.parametrize(("theirs", "ours"), CASES.values(), ids=CASES)
def test_same_learning_rates(theirs, ours):
    schedule, settings = ours
    # PyTorch multiplies step by step, which leaves its rounding errors in the result
    np.testing.assert_allclose(
        our_curves(schedule, **settings), torch_curves(theirs), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("total", [2, 3, 4, 7])
def test_one_cycle_that_is_short(total):
    theirs = torch_curves(
        lambda o: lr_scheduler.OneCycleLR(o, LRS, total_steps=total + 1, cycle_momentum=False),
        steps=total,
    )
    ours = our_curves(schedules.one_cycle, steps=total, total_steps=total + 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 3, "factor": 0.5},
        {"patience": 0, "factor": 0.7, "cooldown": 4, "min_lr": 1e-3},
        {"patience": 2, "factor": 0.5, "mode": "max", "threshold": 0.02},
    ],
)
def test_plateau(settings):
    rng = np.random.default_rng(1)
    sign = 1 if settings.get("mode") == "max" else -1
    metric = 5 + sign * np.log1p(np.arange(STEPS)) * 0.3 + 0.2 * rng.standard_normal(STEPS)
    metric[[0, 50]] = np.nan
    sgd, plateau = optimizer(), schedules.Plateau(**settings)
    reference = lr_scheduler.ReduceLROnPlateau(sgd, **settings, eps=0)
    for value in metric.tolist():
        reference.step(value)
        plateau.observe(value)
        theirs = [group["lr"] for group in sgd.param_groups]
        np.testing.assert_allclose([plateau(0, lr) for lr in LRS], theirs, rtol=1e-12)
    assert plateau.reductions > 5
