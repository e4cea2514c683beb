"""Values of a record: as JSON, and created again."""

import argparse
import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from firstlight import nn
from firstlight.runs.values import UnkeptError, decode, encode, is_unkept, plainly
from firstlight.support.import_paths import import_target


@dataclass
class Size:
    width: int
    depth: tuple[int, ...] = (1, 2)


VALUES = [
    *(None, True, 3, -0.5, "text", float("inf"), [1, [2]], (1, (2, "a")), {"a": 1, 2: (3,)}),
    *({1, 2}, frozenset({"a"}), Path("a/b"), np.dtype("float32"), Size(3), Size, np.cos, nn.ReLU),
    *(argparse.Namespace(a=1, b=(2,)), {"unkept": 1}, {"tuple": [1]}),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_created_again(value):
    encoded = json.loads(json.dumps(encode(value), allow_nan=False))
    again = decode(encoded, import_target, "x")
    assert again == value
    assert type(again) is type(value)
    assert not is_unkept(encoded) or value == {"unkept": 1}


def test_numbers_of_numpy_and_small_arrays():
    assert encode([np.float32(0.5), np.int64(3), np.bool_(True)]) == [0.5, 3, True]
    for array in (np.arange(6, dtype="int8").reshape(2, 3), np.array(0.1, "float32")):
        again = decode(json.loads(json.dumps(encode(array))), import_target, "x")
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(again, array)


def test_a_module_is_created_from_its_arguments():
    layers = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Dropout(p=0.25))
    again = decode(json.loads(json.dumps(encode(layers))), import_target, "x")
    assert repr(again) == repr(layers)
    assert plainly(encode(layers))["init_args"]["*"][0] == {
        **{"class_path": "firstlight.nn.linear.Linear"},
        "init_args": plainly(encode(layers))["init_args"]["*"][0]["init_args"],
    }


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 0, functools.partial(int), np.zeros(5000), list(range(5000)), "a" * 200_000],
    ids=lambda value: type(value).__name__,
)
def test_other_values_leave_a_short_text(value):
    encoded = encode({"a": [value]})
    text = encoded["dict"][0][1][0]["unkept"]
    assert len(text) <= 60
    assert " at 0x" not in text
    with pytest.raises(UnkeptError, match=r"x\['a'\]\[0\] was .*, which a run cannot keep"):
        decode(encoded, import_target, "x")


def test_a_list_that_contains_itself_ends():
    value = [1]
    value.append(value)
    assert is_unkept(encode(value))


def test_secrets_are_not_kept():
    assert encode({"api_key": "abc", "n": 1}) == {"dict": [["api_key", "***"], ["n", 1]]}
