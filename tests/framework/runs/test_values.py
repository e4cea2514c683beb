"""Values of a record: as JSON, and created again."""

import argparse
import functools
import importlib
import json
import operator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, Flag
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from firstlight import nn
from firstlight.runs.decoding import decode
from firstlight.runs.masking import masked
from firstlight.runs.values import UnkeptError, encode, is_unkept, plainly, secrets, short


@dataclass
class Size:
    width: int
    depth: tuple[int, ...] = (1, 2)


class Colour(Enum):
    RED = "r"


class Mode(Flag):
    A = 1
    B = 2


class Range(NamedTuple):
    low: float
    high: float = 1.0


def find(name):
    module, _, attribute = name.partition(":")
    return operator.attrgetter(attribute)(importlib.import_module(module))


VALUES = [
    *(None, True, 3, -0.5, "text", float("inf"), [1, [2]], (1, (2, "a")), {"a": 1, 2: (3,)}),
    *({1, 2}, frozenset({"a"}), Path("a/b"), np.dtype("float32"), Size(3), Size, np.cos, nn.ReLU),
    *(argparse.Namespace(a=1, b=(2,)), {"unkept": 1}, {"tuple": [1]}, Colour.RED, [Mode.B]),
    *(Range(0.5), b"\x00\xff", date(2026, 2, 3), time(4, 5), timedelta(days=1, microseconds=2)),
    datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_created_again(value):
    encoded = json.loads(json.dumps(encode(value), allow_nan=False))
    again = decode(encoded, find, "x")
    assert again == value
    assert type(again) is type(value)
    assert not is_unkept(encoded) or value == {"unkept": 1}


def test_numbers_of_numpy_and_small_arrays():
    assert encode([np.float32(0.5), np.int64(3), np.bool_(True)]) == [0.5, 3, True]
    large = np.random.default_rng(0).normal(size=(50, 100)).T
    for array in (np.arange(6, dtype="int8").reshape(2, 3), np.array(0.1, "float32"), large):
        again = decode(json.loads(json.dumps(encode(array))), find, "x")
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(again, array)


def test_a_module_is_created_from_its_arguments():
    layers = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Dropout(p=0.25))
    again = decode(json.loads(json.dumps(encode(layers))), find, "x")
    assert repr(again) == repr(layers)
    assert plainly(encode(layers))["init_args"]["*"][0] == {
        **{"class_path": "firstlight.nn.linear.Linear"},
        "init_args": plainly(encode(layers))["init_args"]["*"][0]["init_args"],
    }


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 0, Mode.A | Mode.B, np.zeros(2**16), list(range(5000)), "a" * 200_000],
    ids=lambda value: type(value).__name__,
)
def test_other_values_leave_a_short_text(value):
    encoded = encode({"a": [value]})
    text = encoded["dict"][0][1][0]["unkept"]
    assert len(text) <= 60
    assert " at 0x" not in text
    with pytest.raises(UnkeptError, match=r"x\['a'\]\[0\] was .*, which a run cannot keep"):
        decode(encoded, find, "x")


def test_a_partial_function_is_made_again():
    made = functools.partial(np.clip, np.array([1.0, 2.0, 3.0]), a_max=2)
    encoded = json.loads(json.dumps(encode(made)))
    assert decode(encoded, find, "x")(1.5).tolist() == [1.5, 2.0, 2.0]
    assert plainly(encode(functools.partial(int, base=2))) == {
        **{"class_path": "builtins.int", "init_args": {"base": 2}}
    }
    with pytest.raises(UnkeptError, match="x was .*lambda>, which"):
        decode(encode(functools.partial(lambda: 0)), find, "x")


def test_a_module_that_is_passed_twice_stays_one():
    shared, other = nn.Linear(2, 2), nn.Linear(2, 2)
    layers = nn.Sequential(shared, nn.Residual(other), nn.Tanh(), nn.Residual(shared), other)
    again = decode(json.loads(json.dumps(encode(layers))), find, "x")
    one, two, _, three, four = again.layers
    assert one is three.body
    assert two.body is four
    assert one is not four
    assert list(again.state_dict()) == list(layers.state_dict())


def test_a_list_that_contains_itself_ends():
    value = [1]
    value.append(value)
    assert is_unkept(encode(value))


def test_secrets_are_not_kept():
    assert encode({"api_key": "abc", "n": 1}) == {"dict": [["api_key", "***"], ["n", 1]]}


class Connection:
    def __repr__(self):
        return f"Connection(host={'h' * 20!r}, api_token={'hush' * 9!r}, url='db://me:hush@x')"


def test_the_text_of_a_value_that_is_not_kept_has_no_secrets():
    text = short(Connection())
    assert "api_token=***" in text
    assert "hush" not in text
    assert len(text) == 60


def test_a_password_within_a_text_is_a_secret_that_was_not_kept():
    urls = ("db://me:hush@x", "db://x", "host=x password=hush", "password={} password=")
    encoded = masked(encode({"urls": urls}))
    assert "hush" not in str(encoded)
    assert encoded["dict"][0][1]["tuple"][3] == urls[3]
    assert list(secrets(encoded, "data")) == ["data['urls'][0]", "data['urls'][2]"]


class Untold:
    def __repr__(self):
        raise RuntimeError("it has no text")

    def method(self):
        pass


def test_a_repr_that_raises_is_told():
    assert short(Untold()) == "<Untold: its repr raises RuntimeError>"


def test_a_method_of_an_object_is_not_kept():
    assert is_unkept(encode([Untold().method]))
    assert is_unkept(encode([[].append]))
    for function in (Untold.method, dict.fromkeys, len):
        assert not is_unkept(encode([function]))
