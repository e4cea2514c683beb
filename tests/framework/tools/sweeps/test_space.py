"""The description of a sweep: files, values, grids, and what Optuna draws from them."""

from collections import Counter

import numpy as np
import pytest

from firstlight.tools.sweeps import SweepSpec, load_spec
from firstlight.tools.sweeps.space import Choice, Range, grid_size, label, parse_parameter

optuna = pytest.importorskip("optuna")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([1, 2], Choice((1, 2))),
        ({"values": [[64, 32], "a", None, True]}, Choice(((64, 32), "a", None, True))),
        ({"value": "1e-3"}, Choice((0.001,))),
        ({"min": 1, "max": 8}, Range(1, 8)),
        ({"min": "1e-4", "max": "1e-1", "log": True}, Range(1e-4, 0.1, True)),
        ({"min": 0, "max": 1, "step": 0.25}, Range(0, 1, False, 0.25)),
    ],
)
def test_what_a_file_says_is_understood(said, meant):
    assert parse_parameter("lr", said) == meant


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (3, "parameters: lr: expected a list of values, or {min: ..., max: ...}"),
        ([], "expected a list of values, got"),
        ({}, "expected a list of values, or"),
        ({"values": "ab"}, "expected a list of values, got 'ab'"),
        ({"min": 1}, "a range needs both min and max"),
        ({"min": 2, "max": 1}, "min must be below max, got 2 and 1"),
        ({"min": "a", "max": 1}, "min, max and step must be numbers"),
        ({"min": 0, "max": 1, "log": True}, "with log, min must be above 0"),
        ({"min": 1, "max": 9, "log": True, "step": 2}, "there can be no step"),
        ({"min": 0, "max": 1, "step": 0}, "step must be above 0"),
        ({"min": 0, "max": 1, "steps": 3}, "'steps' is not known; there are value, values"),
        ({"values": [1], "min": 0}, "values stand alone, got also min"),
        ({"min": 0, "max": 1, "step": 1e-12}, "makes 1,000,000,000,001 values from 0 to 1, more"),
        ({"min": 0, "max": float("inf")}, "must be below 1e18 in size"),
        ({"min": float("nan"), "max": 1}, "must be below 1e18 in size"),
        ({"min": 0, "max": 10**30}, "must be below 1e18 in size"),
    ],
)
def test_what_is_no_parameter_is_refused(said, message):
    with pytest.raises(ValueError, match="^parameters: lr: ") as error:
        parse_parameter("lr", said)
    assert message in str(error.value)


def test_the_values_of_a_grid():
    assert grid_size({"a": Choice((1, 2)), "b": Range(0, 1, step=0.5), "c": Range(3, 4)}) == 12
    assert Range(0.1, 0.3, step=0.1).grid() == [0.1, 0.2, 0.3]
    assert Range(1, 8, step=3).grid() == [1, 4, 7]
    assert Choice((1, "a", (1, 2), None)).grid() == [1, "a", "[1, 2]", None]
    with pytest.raises(ValueError, match="b: a grid needs values, or a range with a step"):
        grid_size({"b": Range(0.0, 1.0)})


def test_a_grid_too_large_to_hold_is_refused():
    with pytest.raises(ValueError, match="a: 1,000,000,000 values are more than 100,000; give it"):
        grid_size({"a": Range(1, 10**9)})
    spec = {"name": "s", "method": "grid", "parameters": {n: [*range(1000)] for n in "abcd"}}
    for trials in (None, 10):
        with pytest.raises(ValueError, match="a grid of 1,000,000,000,000 combinations, more than"):
            SweepSpec(**spec, trials=trials)


def test_draws_cover_the_space_as_they_should():
    space = {
        "log": Range(1e-4, 1e-1, log=True),
        "plain": Range(0.0, 2.0),
        "whole": Range(1, 4),
        "whole_log": Range(1, 64, log=True),
        "step": Range(0, 1.2, step=0.5),  # ends at 1.0
        "choice": Choice(("a", (1, 2))),
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(1000)]
    columns = {name: [one.suggest(trial, name) for trial in trials] for name, one in space.items()}
    assert abs(np.mean(np.log10(columns["log"])) + 2.5) < 0.1
    assert min(columns["log"]) >= 1e-4
    assert max(columns["log"]) <= 1e-1
    assert abs(np.mean(columns["plain"]) - 1) < 0.05
    counts = Counter(columns["whole"])
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 200
    assert {type(v) for v in columns["whole_log"]} == {int}
    assert {min(columns["whole_log"]), max(columns["whole_log"])} == {1, 64}
    assert set(columns["step"]) == {0.0, 0.5, 1.0}
    assert min(Counter(columns["choice"]).values()) > 400
    assert set(columns["choice"]) == {"a", (1, 2)}


def test_a_file_is_read_and_flags_go_before_it(tmp_path):
    file = tmp_path / "my-sweep.yaml"
    file.write_text("trials: 4\nparameters: {model.lr: {min: 1e-4, max: 1e-1, log: true}}\n")
    spec = load_spec(file, jobs=2, trials=None)
    assert (spec.name, spec.trials, spec.jobs, spec.mode) == ("my-sweep", 4, 2, "min")
    assert spec.space == {"model.lr": Range(1e-4, 0.1, True)}
    assert load_spec(file, trials=9).trials == 9
    assert SweepSpec(**spec.as_dict()).changed(spec) == []
    assert load_spec(file, trials=9).changed(spec) == []
    file.write_text("trials: 4\nmetric: val_acc\nparameters: {model.lr: [1]}\n")
    assert load_spec(file).mode == "max"
    assert load_spec(file).changed(spec) == ["parameters", "metric", "goal"]
    assert load_spec(file).searched == []


@pytest.mark.parametrize(
    ("settings", "pruner"),
    [
        ({"method": "tpe"}, "median"),
        ({"method": "random"}, "none"),
        ({"method": "random", "pruner": "hyperband"}, "hyperband"),
    ],
)
def test_only_tpe_prunes_unless_told(settings, pruner):
    assert SweepSpec("s", {"lr": [1]}, trials=1, **settings).pruner == pruner


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials: 1000000\nparameters: {lr: [1]}", "trials: expected 100,000 at most, got 1,000,0"),
        ("jobs: 1001\ntrials: 1\nparameters: {lr: [1]}", "jobs: expected 1,000 at most, got 1,001"),
        (
            "trials: 3\ntrials: 4\nparameters: {lr: [1]}",
            "line 2: 'trials' occurs twice, in line 1",
        ),
        ("name: 3\nparameters: {lr: [1]}", "name: expected a text, got 3"),
        ("goal: [a]\nparameters: {lr: [1]}", "goal: expected a text, got ['a']"),
        ("metric: {}\nparameters: {lr: [1]}", "metric: expected a text, got {}"),
        ("", "expected a sweep's settings by name, got None"),
        ("a: [", "not YAML"),
        ("trials: 3", "parameters: there is nothing to search"),
        ("parameters: [1]", "parameters: expected settings by name, got [1]"),
        ("parameters: {lr: [1]}", "trials: say how many"),
        ("trails: 3", "'trails' is not known; did you mean trials?"),
        ("trials: 0\nparameters: {lr: [1]}", "trials: expected a whole number from 1 on, got 0"),
        ("trials: x\nparameters: {lr: [1]}", "trials: expected a whole number"),
        ("jobs: 0\ntrials: 1\nparameters: {lr: [1]}", "jobs: expected a whole number from 1"),
        ("method: bayes\nparameters: {lr: [1]}", "expected one of grid, random, tpe, got 'bayes'"),
        (
            "goal: up\ntrials: 1\nparameters: {lr: [1]}",
            "one of minimize, maximize, got 'up'",
        ),
        ("name: a/b\nparameters: {lr: [1]}", "name: expected letters a to z, digits"),
        ("trials: 1\nparameters: {runs_dir: [1]}", "the sweep decides where its runs lie"),
        ("method: grid\nparameters: {a: {min: 0.0, max: 1.0}}", "a grid needs values"),
    ],
)
def test_what_is_no_sweep_is_refused_with_the_files_name(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"s\.yaml: ") as error:
        load_spec(tmp_path / "s.yaml")
    assert message in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="nothing.yaml: cannot be read"):
        load_spec("nothing.yaml")


def test_labels():
    assert [label(v) for v in ((64, 32), 0.012345678, "adam", None, True, 3)] == [
        *("64,32", "0.01235", "adam", "null", "true", "3"),
    ]
