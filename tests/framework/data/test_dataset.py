"""ArrayDataset: what it keeps, converts and refuses; transforms.Scale."""

import numpy as np
import pytest

from firstlight.data.dataset import ArrayDataset, as_dataset
from firstlight.data.transforms import Scale


def test_batches_by_indices():
    x, y = np.arange(12).reshape(6, 2), np.arange(6)
    data = ArrayDataset(x, y)
    picked = data[np.array([5, 0, 5])]
    np.testing.assert_array_equal(picked[0], [[10, 11], [0, 1], [10, 11]])
    np.testing.assert_array_equal(picked[1], [5, 0, 5])
    picked[0][:] = 0  # a batch is a copy
    assert data.arrays[0][5, 0] == 10


@pytest.mark.parametrize(
    ("given", "kept"),
    [("float64", "float32"), ("float16", "float32"), ("uint8", "uint8"), ("int64", "int64")],
)
def test_floats_become_float32_and_integers_stay(given, kept):
    assert ArrayDataset(np.ones((2, 2), given)).arrays[0].dtype == kept
    assert ArrayDataset(np.ones(2), dtype="float64").arrays[0].dtype == "float64"


def test_float32_and_bytes_are_not_copied():
    for array in (np.ones((3, 2), "float32"), np.ones((3, 2), "uint8")):
        assert ArrayDataset(array).arrays[0] is array


def test_nested_lists_are_arrays_inside_a_tuple():
    data = as_dataset(([[1.0, 2.0], [3.0, 4.0]], [0, 1]))
    assert [a.shape for a in data.arrays] == [(2, 2), (2,)]
    with pytest.raises(ValueError, match="data: array 0 cannot be created from the argument"):
        as_dataset(([[1.0, 2.0], [3.0]], [0, 1]))


def test_repr():
    text = repr(ArrayDataset(np.zeros((4, 2)), np.arange(4), name="toy"))
    assert text == "ArrayDataset(toy: float32 (4, 2), int64 (4,))"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_located(bad):
    x = np.ones((5, 2, 2))
    x[3, 1, 0] = x[4, 0, 0] = bad
    message = (
        r"toy: array 0 has NaN or infinity \(as float32\) in 2 of 5 samples, first in sample 3"
    )
    with pytest.raises(ValueError, match=message):
        ArrayDataset(x, np.arange(5), name="toy")


def test_opposite_infinities_do_not_cancel():
    with pytest.raises(ValueError, match="in 2 of 2 samples"):
        ArrayDataset([np.inf, -np.inf])


def test_what_float32_cannot_hold_counts_as_infinity():
    with pytest.raises(ValueError, match=r"infinity \(as float32\) in 1 of 3"):
        ArrayDataset([0.0, 1e300, 1.0])
    big = ArrayDataset(np.full((10, 10), 3e38, "float32"))  # finite, though float32 sums are not
    assert len(big) == 10


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ((), ValueError, "toy: expected one or more arrays, got none"),
        ((np.zeros((0, 3)), np.zeros(0)), ValueError, "toy is empty: expected at least one sample"),
        ((np.zeros(3), np.zeros(4)), ValueError, r"one length, got \[3, 4\]; pass \(x, y\)"),
        ((np.zeros(2), np.array(["a", "b"])), TypeError, "numbers in array 1, got dtype <U1; enc"),
        ((np.array([1, None]),), TypeError, "expected numbers in array 0, got dtype object"),
        ((np.float64(3),), ValueError, "array 0 is a single number, not samples"),
    ],
)
def test_refused(arrays, error, message):
    with pytest.raises(error, match=message):
        ArrayDataset(*arrays, name="toy")


def test_other_libraries_tables_are_arrays():
    class Table:
        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 2))

    assert as_dataset(Table()).arrays[0].shape == (3, 2)


@pytest.mark.parametrize("data", [[1, 2], {"x": 1}, "digits", 4, None])
def test_not_a_data_set(data):
    with pytest.raises(TypeError, match=f"my data: expected an array, .*got {type(data).__name__}"):
        as_dataset(data, name="my data")


# --- Scale ---------------------------------------------------------------------------------------


def test_scale_follows_its_formula():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 256, (4, 5, 5, 3), dtype="uint8"), np.arange(4)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    kept = x.copy()
    out, same = Scale(255, mean, std)((x, y), None)
    assert out.dtype == np.float32
    assert same is y
    np.testing.assert_allclose(out, (x / 255 - mean) / std, atol=1e-6)
    np.testing.assert_array_equal(x, kept)


def test_scale_copies_float_inputs_too():
    x = np.ones((2, 2), "float32")
    Scale(2)((x,), None)
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize("arguments", [{"high": 0}, {"std": 0}, {"std": [1, 0]}, {"std": np.nan}])
def test_scale_refuses_what_divides_by_zero(arguments):
    with pytest.raises(ValueError, match="Scale: expected high and std above 0"):
        Scale(**arguments)
