"""The parts of the command line: words, values, facts, tables."""

from typing import Optional

import numpy as np
import pytest

from firstlight import DataSplits
from firstlight.data.tokenizers import CharTokenizer
from firstlight.tools.cli.arguments import as_yaml
from firstlight.tools.cli.commands.check import Check
from firstlight.tools.cli.commands.slurm import Slurm
from firstlight.tools.cli.data_arguments import FROM_DATA, arguments_from_data
from firstlight.tools.cli.text import summary, table


class Model:
    """Model: does things."""


@pytest.mark.parametrize(
    ("value", "kind", "easy"),
    [
        ("512,256", tuple[int, ...], "[512,256]"),
        ("512", list[int], "[512]"),
        ("", tuple[int, ...] | None, "[]"),
        (512, Optional[tuple[int, ...]], "[512]"),  # noqa: UP045
        ("[1,2]", list, "[1,2]"),
        ([1, 2], list[int], [1, 2]),
        ("a,b", list[str] | str, "a,b"),
        ("a,b", list[str], '["a", "b"]'),
        ("1,2", int, "1,2"),
        ("none", str | None, "null"),
        ("none", str, "none"),
        ("none", None, "none"),
        (None, tuple[int, ...] | None, None),
    ],
)
def test_lists_and_none_are_easy_to_write(value, kind, easy):
    assert as_yaml(value, kind) == easy


def test_flags_and_their_values_are_one_word():
    words = ["a", "--x", "-1", "--y-z=b-c=d", "--json", "e", "--w", "--help"]
    joined = Check().make_parser("check").normalized
    assert joined(words) == ["a", "--x=-1", "--y_z=b-c=d", "--json", "e", "--w", "--help"]
    assert joined(["--empty", "", "-h", "b"]) == ["--empty=", "-h", "b"]
    assert joined(["--train", "False", "a"]) == ["--train=False", "a"]
    assert joined(["--train", "a", "--", "--x", "b"]) == ["--train=true", "a", "--", "--x", "b"]


def test_declared_options_are_found_by_either_spelling():
    joined = Slurm().make_parser("slurm").normalized
    assert joined(["--gpus_per_node", "4", "--job-name", "a"]) == [
        "--gpus-per-node=4",
        "--job-name=a",
    ]


def test_what_data_tell():
    x, y = np.zeros((6, 4, 4, 3)), np.array([0, 1, 2, 0, 1, 2])
    found = arguments_from_data(DataSplits((x, y), classes=["a", "b", "c"]))
    assert found == {
        "in_features": 48,
        "input_shape": (4, 4, 3),
        "in_channels": 3,
        "task": "classification",
        "out_features": 3,
        "num_classes": 3,
    }
    assert set(found) == set(FROM_DATA) - {"vocab_size", "block_size"}


@pytest.mark.parametrize(("y", "width"), [(np.zeros((6, 2)), 2), (np.zeros(6), 1)])
def test_what_data_of_a_regression_tell(y, width):
    found = arguments_from_data(DataSplits((np.zeros((6, 5)), y)))
    assert (found["in_features"], found["task"]) == (5, "regression")
    assert found["out_features"] == found["num_classes"] == width


def test_data_without_targets_tell_no_outputs():
    found = arguments_from_data(DataSplits(np.zeros((6, 5))))
    assert "out_features" not in found


def test_text_tells_its_tokens():
    tokens = np.zeros((6, 5), "int64")
    found = arguments_from_data(DataSplits((tokens, tokens), tokenizer=CharTokenizer("abc")))
    assert found == {"input_shape": (5,), "vocab_size": 3, "block_size": 5}


def test_texts():
    assert table([("a", "bbb"), ("cc", "d")], indent=" ") == " a   bbb\n cc  d"
    assert summary(Model) == "does things."
