import inspect
import json
import math

import pytest

from firstlight.optim import schedules


def curve(schedule, steps, lr=1.0, **settings):
    return [schedule(step, lr, **settings) for step in range(steps)]


def test_constant_and_the_powers_of_gamma():
    assert curve(schedules.constant, 3, lr=0.3) == [0.3] * 3
    assert curve(schedules.step, 5, step_size=2, gamma=0.5) == [1, 1, 0.5, 0.5, 0.25]
    assert curve(schedules.multistep, 6, milestones=[4, 1], gamma=0.5) == [
        *[1, 0.5, 0.5, 0.5, 0.25, 0.25]
    ]
    assert curve(schedules.exponential, 4, gamma=0.5) == [1, 0.5, 0.25, 0.125]


def test_cosine_starts_at_lr_and_ends_at_its_floor():
    lrs = curve(schedules.cosine, 11, lr=0.5, total_steps=10, eta_min=0.1)
    assert lrs[0] == 0.5
    assert lrs[5] == pytest.approx(0.3, rel=1e-14)
    assert lrs[10] == 0.1
    assert lrs == sorted(lrs, reverse=True)


def test_warmup_cosine_is_a_line_a_half_wave_and_a_floor():
    lrs = curve(schedules.warmup_cosine, 30, lr=0.8, total_steps=20, warmup_steps=3, eta_min=0.1)
    assert lrs[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8], rel=1e-14)
    assert lrs[4:21] == sorted(lrs[4:21], reverse=True)
    assert lrs[4] < 0.8
    assert lrs[20:] == [0.1] * 10
    plain = curve(schedules.cosine, 20, total_steps=20)
    assert curve(schedules.warmup_cosine, 20, total_steps=20) == plain


def test_a_warmup_longer_than_the_training_only_warms_up():
    lrs = curve(schedules.warmup_cosine, 4, total_steps=4, warmup_steps=9)
    assert lrs == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("total", [1, 2, 3, 4, 10, 1000])
@pytest.mark.parametrize("pct_start", [0.0, 0.3, 0.5, 1.0])
def test_one_cycle_of_any_length(total, pct_start):
    lrs = curve(schedules.one_cycle, total + 5, lr=2.0, total_steps=total, pct_start=pct_start)
    assert all(math.isfinite(lr) and 0 < lr <= 2 for lr in lrs)
    top = lrs.index(max(lrs))
    assert lrs[: top + 1] == sorted(lrs[: top + 1])
    assert lrs[top:] == sorted(lrs[top:], reverse=True)


def test_one_cycle_has_the_ends_it_was_given():
    lrs = curve(
        schedules.one_cycle, 30, lr=2.0, total_steps=20, div_factor=10, final_div_factor=100
    )
    assert (lrs[0], lrs[5]) == (pytest.approx(0.2), pytest.approx(2.0))
    assert lrs[19:] == pytest.approx([0.002] * 11)


def test_restarts_need_cycles_of_at_least_a_step():
    with pytest.raises(ValueError, match="expected T_0 and T_mult of 1 or more, got 5 and 0"):
        schedules.cosine_restarts(1, 0.1, T_0=5, T_mult=0)


def rates(values, **settings):
    plateau, found = schedules.Plateau(factor=0.5, **settings), []
    for value in values:
        plateau.observe(value)
        found.append(plateau(0, 8.0))
    return found


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        ([3, 2, 1, 0.5], {"patience": 0}, [8, 8, 8, 8]),
        ([3, 3, 3, 3], {"patience": 0}, [8, 4, 2, 1]),
        ([3, 3, 3, 3, 3], {"patience": 1}, [8, 8, 4, 4, 2]),
        ([3, 3, 3, 3, 3], {"patience": 0, "cooldown": 2}, [8, 4, 4, 4, 2]),
        ([3, 3, 3, 3, 3], {"patience": 0, "min_lr": 3.0}, [8, 4, 3, 3, 3]),
        ([3, 3, 3], {"patience": 0, "min_lr": 9.0}, [8, 8, 8]),
        ([1, 2, 3, 2.9], {"patience": 0, "mode": "max"}, [8, 8, 8, 4]),
        ([1, 0.95, 0.85], {"patience": 0, "threshold": 0.1}, [8, 4, 4]),
        ([-1, -1, -1, -1], {"patience": 0}, [8, 4, 2, 1]),
        ([-1, -1.05, -1.2], {"patience": 0, "threshold": 0.1}, [8, 4, 4]),
        ([-1, -0.95, -0.8], {"patience": 0, "threshold": 0.1, "mode": "max"}, [8, 4, 4]),
        ([-1, -1, -1], {"patience": 0, "mode": "max"}, [8, 4, 2]),
        ([0, 0, 0], {"patience": 0}, [8, 4, 2]),
        ([math.inf, 1, 1], {"patience": 0, "mode": "max"}, [4, 4, 2]),
        ([1, -math.inf, math.nan, 0.5], {"patience": 0}, [8, 4, 2, 2]),
        ([math.nan, 1, math.nan, 2], {"patience": 0}, [4, 4, 2, 1]),
        ([math.inf, 1], {"patience": 0}, [4, 4]),
    ],
)
def test_plateau(values, settings, expected):
    assert rates(values, **settings) == expected


def test_plateau_goes_on_from_its_state():
    values = [5, 4, 4, 4.5, 3, 3, 3, 3, 2, 2, 2, 2, 2]
    whole = rates(values, patience=1, cooldown=1)
    for cut in range(len(values)):
        first = schedules.Plateau(factor=0.5, patience=1, cooldown=1)
        for value in values[:cut]:
            first.observe(value)
        second = schedules.Plateau(factor=0.5, patience=1, cooldown=1)
        second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
        found = []
        for value in values[cut:]:
            second.observe(value)
            found.append(second(0, 8.0))
        assert found == whole[cut:]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "least"}, 'expected mode "min" or "max", got \'least\''),
        ({"factor": 1.0}, r"expected a factor in \[0, 1\), got 1.0"),
    ],
)
def test_plateau_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        schedules.Plateau(**settings)


def test_every_schedule_takes_step_and_lr():
    for name, schedule in schedules.SCHEDULES.items():
        call = schedule.__call__ if inspect.isclass(schedule) else schedule
        names = [n for n in inspect.signature(call).parameters if n != "self"]
        assert names[:2] == ["step", "lr"], name
