"""Settings in JSON and YAML files: bombs, depth, duplicate names."""

import json
import os
import tracemalloc

import pytest

from firstlight.support import reading
from firstlight.support.reading import parse_json, parse_yaml, read_json, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)


def test_an_alias_bomb_is_refused_before_it_is_built():
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"line 5: it has more than 100,000 values, aliases counted"
    ):
        parse_yaml(BOMB)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_duration_is_a_text_and_not_a_number_to_the_base_of_60():
    text = "a: 10:00\nb: [1:30:00, 0x10, 1.5]\nc: '1:00'"
    assert parse_yaml(text) == {"a": "10:00", "b": ["1:30:00", 16, 1.5], "c": "1:00"}


def test_aliases_and_merges_still_work():
    text = "base: &base {lr: 0.1, hidden: [8]}\nmodel: {<<: *base, lr: 0.2}\nmore: *base\n"
    assert parse_yaml(text) == {
        "base": {"lr": 0.1, "hidden": [8]},
        "model": {"lr": 0.2, "hidden": [8]},
        "more": {"lr": 0.1, "hidden": [8]},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: mlp\nmodel: cnn\n", "line 2: 'model' occurs twice, in line 1 too; leave one"),
        ("model:\n  lr: 1\n  'lr': 2\n", "line 3: 'lr' occurs twice, in line 2 too"),
        ("a: [{b: 1, b: 1}]", "'b' occurs twice"),
        ("a: &a [*a]", "an alias is inside its own node"),
        ("[" * 5000, "nested deeper than 50 levels"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("a: 2026-99-99", "a value cannot be read: month must be in 1..12"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: " + "9" * 5000, "a value cannot be read: Exceeds the limit"),
        ("a: 0x" + "f" * 5000, "a value cannot be read: a whole number of 20,000 bits"),
        ("a: 1" + ":59" * 5000, "a value cannot be read: a whole number of "),
        ("a: " + "!" * 5000, "!!!...; correct that place"),
        ("a: !!binary 'ä'", "not YAML or JSON"),
        ("a: !!timestamp x", "not YAML or JSON"),
        ("a: !!int ''", "not YAML or JSON"),
        ("# " + "x" * 2**17, "more than 131,072 characters"),
    ],
)
def test_yaml_that_cannot_be_settings(text, message):
    with pytest.raises(ValueError, match="^(?!.*RecursionError)") as caught:
        parse_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "'a' occurs twice; leave one of the two out"),
        ('{"a": [{"b": 1, "b": 1}]}', "'b' occurs twice"),
        ("[" * 100_000, "nested deeper than 50 levels"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("9" * 5000, "Exceeds the limit"),
        ("{", "Expecting property name"),
    ],
)
def test_json_that_cannot_be_settings(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_json_is_read_as_json(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"lr": "1e-3", "x": [1, None, True]}))
    assert read_json("a.json") == read_yaml("a.json") == {"lr": "1e-3", "x": [1, None, True]}
    (tmp_path / "a.yaml").write_text("{lr: 1.0e-3}")
    assert read_yaml("a.yaml") == {"lr": 0.001}


def test_what_is_no_text_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match="not a text file: byte 3 is no UTF-8"):
        read_yaml("a")
    os.mkfifo("pipe")
    for place in ("pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="it is no file"):
            read_json(place)
    with pytest.raises(FileNotFoundError):
        read_json("nothing")
    monkeypatch.setattr(reading, "MOST_JSON", 10)
    (tmp_path / "a").write_text('{"a": "long enough"}')
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_json("a")
