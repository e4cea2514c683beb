"""The order of samples: arrays of small data sets, functions of large ones."""

import tracemalloc

import numpy as np
import pytest

from firstlight.data import order
from firstlight.data.order import InOrder, Permutation, order_of
from firstlight.support import rng as randomness


def permutation(count, seed=0):
    return Permutation(count, np.random.default_rng(seed))


@pytest.mark.parametrize("count", [*range(1, 40), 63, 64, 65, 1000, 2**14 - 1, 2**14 + 1])
def test_a_permutation_has_each_sample_once(count):
    assert sorted(permutation(count)[0:count].tolist()) == list(range(count))


@pytest.mark.parametrize("size", [1, 7, 10_000, 20_000])
def test_slices_are_parts_of_one_order(size, monkeypatch):
    whole = permutation(20_000)[0:20_000]
    order = permutation(20_000)
    parts = [order[k : k + size] for k in range(0, 20_000, size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(order[19_990:30_000], whole[19_990:])
    np.testing.assert_array_equal(order[3:9], whole[3:9])


def excess(counts, expected, degrees):
    """Return chi-squared in standard deviations above its mean."""
    return (((counts - expected) ** 2 / expected).sum() - degrees) / np.sqrt(2 * degrees)


def test_samples_are_uniform_at_each_position_and_neighbours_unrelated():
    count, trials, rng = 64, 400, np.random.default_rng(0)
    places, steps = np.zeros((count, count)), np.zeros(count)
    for _ in range(trials):
        found = Permutation(count, rng)[0:count]
        places[np.arange(count), found] += 1
        steps += np.bincount(np.diff(found) % count, minlength=count)
    assert abs(excess(places, trials / count, (count - 1) ** 2)) < 4
    assert abs(excess(steps[1:], steps[1:].mean(), count - 2)) < 4


def test_small_orders_stay_those_of_a_shuffled_array():
    expected = np.arange(100)
    randomness.derived("order", 3, 2).shuffle(expected)
    np.testing.assert_array_equal(order_of(100, 3, 2, True)[10:20], expected[10:20])
    np.testing.assert_array_equal(order_of(100, 3, 2, False)[10:20], np.arange(10, 20))


def test_large_orders_need_no_memory_and_depend_on_seed_and_epoch():
    count = order.LARGE + 1
    tracemalloc.start()
    try:
        orders = [
            order_of(count, *numbers) for numbers in ((0, 0, True), (0, 1, True), (1, 0, True))
        ]
        first, *others = [one[count - 1000 : count] for one in orders]
        assert isinstance(order_of(count, 0, 0, False), InOrder)
        assert order_of(count, 0, 0, False)[count - 2 : count + 5].tolist() == [
            count - 2,
            count - 1,
        ]
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(np.unique(first)) == 1000
    assert all((first != other).any() for other in others)
