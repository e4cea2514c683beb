"""Randomness: streams that can be saved, generators that need no saving."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight.support import rng


def test_the_same_seed_gives_the_same_streams():
    fl.seed_everything(3)
    first = rng.stream("init").random(4)
    fl.seed_everything(3)
    np.testing.assert_array_equal(rng.stream("init").random(4), first)
    fl.seed_everything(4)
    assert (rng.stream("init").random(4) != first).all()


def test_streams_are_independent():
    assert rng.stream("init").random() != rng.stream("dropout").random()


def test_state_goes_through_json():
    rng.stream("dropout").random(3)
    state = json.loads(json.dumps(rng.state_dict()))
    expected = rng.stream("dropout").random(5)
    rng.load_state_dict(state)
    np.testing.assert_array_equal(rng.stream("dropout").random(5), expected)


def test_derived_generators_depend_on_every_number():
    draws = {
        rng.derived(*key).random()
        for key in [("order", 0, 0), ("order", 0, 1), ("order", 1, 0), ("augment", 0, 0)]
    }
    assert len(draws) == 4
    assert rng.derived("order", 0, 1).random() in draws


def test_without_a_seed_one_is_drawn_and_told():
    assert fl.seed_everything() == rng.current_seed()


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_bad_seeds(seed):
    with pytest.raises((TypeError, ValueError), match="seed_everything: expected"):
        fl.seed_everything(seed)


def test_nothing_draws_from_numpys_global_generator(line, line_data, quiet):
    np.random.seed(0)  # noqa: NPY002 - the very thing that must stay untouched
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fl.Trainer(max_epochs=1, **quiet).fit(line(), line_data)
    fl.nn.Dropout(0.5)(np.ones(10, "float32"))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
