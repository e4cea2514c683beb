"""polynomial: a sine, and noise of the wanted size."""

import numpy as np
import pytest

from firstlight.datasets import load


def test_points_are_a_sine_with_noise():
    splits = load("polynomial", n_train=20_000, noise=0.3)
    x, y = splits.train.arrays
    assert x.shape == y.shape == (20_000, 1)
    assert x.dtype == y.dtype == np.float32
    assert (x[0, 0], x[-1, 0]) == (0, 1)
    rest = y - np.sin(2 * np.pi * x)
    assert abs(rest.mean()) < 0.01
    assert abs(rest.std() - 0.3) < 0.01


def test_defaults_and_metadata():
    splits = load("polynomial")
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [10, 20, 100]
    assert (splits.classes, splits.input_shape, splits.batch_size) == (None, (1,), 10)


def test_without_noise_it_is_the_sine():
    x, y = load("polynomial", noise=0).test.arrays
    np.testing.assert_allclose(y, np.sin(2 * np.pi * x), atol=1e-6)


def test_each_split_has_its_own_noise_that_the_other_sizes_do_not_change():
    a, b = load("polynomial", n_val=10), load("polynomial", n_val=10, n_test=7)
    np.testing.assert_array_equal(a.train.arrays[1], b.train.arrays[1])
    assert (a.train.arrays[1] != a.val.arrays[1]).all()
    assert (load("polynomial", seed=1).train.arrays[1] != a.train.arrays[1]).all()


def test_splits_can_be_left_out():
    splits = load("polynomial", n_val=0, n_test=0)
    assert splits.val is None
    assert splits.test is None


@pytest.mark.parametrize("bad", [{"n_train": 0}, {"n_val": -1}, {"n_test": -3}])
def test_sizes_below_what_works(bad):
    with pytest.raises(ValueError, match="polynomial: expected n_train of 1 or more"):
        load("polynomial", **bad)


@pytest.mark.parametrize("noise", [-0.1, float("nan")])
def test_negative_noise(noise):
    with pytest.raises(ValueError, match="polynomial: expected noise of 0 or more"):
        load("polynomial", noise=noise)


def test_other_functions():
    x, y = load("polynomial", function="runge", noise=0).test.arrays
    np.testing.assert_allclose(y, 1 / (1 + 25 * (2 * x - 1) ** 2), atol=1e-6)
    x, y = load("polynomial", function=np.exp, noise=0).test.arrays
    np.testing.assert_allclose(y, np.exp(x), atol=1e-6)
    a, b = load("polynomial"), load("polynomial", function="line")
    assert (a.train.arrays[1] != b.train.arrays[1]).any()


@pytest.mark.parametrize("bad", ["sinus", 3])
def test_unknown_function(bad):
    with pytest.raises(ValueError, match="expected a function among sine, cosine, .*, got"):
        load("polynomial", function=bad)


def test_the_points_of_prml():
    splits = load("prml", n_test=5)
    x, t = splits.train.arrays
    np.testing.assert_allclose(x[:, 0], np.arange(10) / 9, atol=1e-7)
    assert t[6, 0] == np.float32(-0.848307)
    np.testing.assert_allclose(splits.test.arrays[1][:, 0], [0, 1, 0, -1, 0], atol=1e-6)
    assert splits.batch_size == 10
    assert load("prml", n_test=0).test is None
    with pytest.raises(ValueError, match="prml: expected n_test of 0 or more, got -1"):
        load("prml", n_test=-1)
