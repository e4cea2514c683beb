"""Arguments from signatures: what is offered, of which type, and what data fill in."""

import pathlib
from typing import Any, Literal, Optional

import numpy as np
import pytest

from firstlight import DataSplits
from firstlight.cli.facts import FACTS, facts_of
from firstlight.cli.signature import REQUIRED, arguments_of, describe
from firstlight.cli.text import as_yaml, summary, table, written
from firstlight.cli.words import BARE, split


class Model:
    """Model: does things.

    Parameters
    ----------
    a, b : int
        Both
        of them.
    kind : {"x", "y-z"}
        Which.
    """

    def __init__(
        self, a: int, b: "int" = 2, kind="x", *rest, sizes=(1, 2), flag=False, rng=None,
        gen: np.random.Generator | None = None, **more,
    ):  # fmt: skip
        pass


def by_name(target, **options):
    return {argument.name: argument for argument in arguments_of(target, "model", **options)}


def test_arguments_have_types_defaults_and_help():
    found = by_name(Model)
    assert list(found) == ["a", "b", "kind", "sizes", "flag", "rng"]
    assert (found["a"].flag, found["a"].type, found["a"].default) == ("model.a", int, REQUIRED)
    assert (found["b"].type, found["b"].default, found["b"].help) == (int, 2, "Both of them.")
    assert (found["kind"].type, found["kind"].kind) == (str, "x|y-z")
    assert (found["sizes"].type, found["flag"].type) == (list[int], bool)
    assert found["rng"].type is Any  # without annotation, and None says nothing


def test_arguments_can_be_left_out_and_come_from_data():
    found = by_name(Model, skip=("b",), from_data=("a",))
    assert "b" not in found
    assert found["a"].from_data
    assert found["a"].kind == "int"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "int"),
        (str, "text"),
        (bool | int, "true|false|int"),
        (Optional[float], "float|none"),  # noqa: UP045
        (list[str], "text,text,..."),
        (tuple[float, float], "float,float"),
        (tuple[int, ...] | None, "int,int,...|none"),
        (Literal["a", "b"], "a|b"),
        (str | pathlib.Path | None, "text|path|none"),
        (dict[str, int], "mapping"),
        (Any, "value"),
    ],
)
def test_types_are_described_in_short(kind, text):
    assert describe(kind) == text


def test_what_data_tell():
    x, y = np.zeros((6, 4, 4, 3)), np.array([0, 1, 2, 0, 1, 2])
    found = facts_of(DataSplits((x, y), classes=["a", "b", "c"]))
    assert found == {
        "in_features": 48,
        "input_shape": (4, 4, 3),
        "in_channels": 3,
        "task": "classification",
        "out_features": 3,
        "num_classes": 3,
    }
    assert set(found) == set(FACTS)


@pytest.mark.parametrize(("y", "width"), [(np.zeros((6, 2)), 2), (np.zeros(6), 1)])
def test_what_data_of_a_regression_tell(y, width):
    found = facts_of(DataSplits((np.zeros((6, 5)), y)))
    assert (found["in_features"], found["task"]) == (5, "regression")
    assert found["out_features"] == found["num_classes"] == width


def test_data_without_targets_tell_no_outputs():
    found = facts_of(DataSplits(np.zeros((6, 5))))
    assert "out_features" not in found


def test_words_are_split_into_flags_and_the_rest():
    words = ["a", "--x", "-1", "--y=b=c", "--debug", "d", "--z", "--help"]
    flags = [("x", "-1"), ("y", "b=c"), ("debug", BARE), ("z", BARE), ("help", BARE)]
    assert split(words) == (["a", "d"], flags)


def test_texts():
    assert table([("a", "bbb"), ("cc", "d")], indent=" ") == " a   bbb\n cc  d"
    assert summary(Model) == "does things."
    assert [written(v) for v in (None, True, (1, 2), [], 0.1)] == [
        "none",
        "true",
        "1,2",
        "[]",
        "0.1",
    ]
    assert as_yaml({"a": {"b": (1, 2), "c": None}}) == "a:\n  b: [1, 2]\n  c: null\n"
