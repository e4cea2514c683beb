"""Settings that a script adds to its run's record with ``trainer.config``."""

import argparse
import types
from collections import UserDict
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl


def fit(settings, line, line_data, **more):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, callbacks=["model_checkpoint"])
    trainer.config = settings
    trainer.fit(line(), line_data)
    return fl.runs.RunFolder(trainer.run.path)


def test_values_without_a_json_type_are_texts_in_record_and_checkpoints(line, line_data):
    settings = {"out": Path("a") / "b", "function": np.tanh, "scale": np.float32(2), "hole": np.nan}
    run = fit(settings, line, line_data)
    kept = fl.Checkpoint.load(run.path / "checkpoints" / "last.safetensors").config
    assert kept == {"out": "a/b", "function": "<ufunc 'tanh'>", "scale": 2.0, "hole": "NaN"}
    assert {name: run.config[name] for name in kept} == kept


@pytest.mark.parametrize("kind", [argparse.Namespace, types.SimpleNamespace, UserDict])
def test_parsed_arguments_are_taken(kind, line, line_data):
    run = fit(kind(idea="b", width=3), line, line_data)
    assert (run.config["idea"], run.config["width"]) == ("b", 3)
    assert run.config["optimizer"]["name"]


@pytest.mark.parametrize("settings", [["a"], None, "b"])
def test_settings_without_names_are_refused_at_once(settings):
    with pytest.raises(TypeError, match=r"Trainer\.config: expected a dict of settings or an"):
        fl.Trainer().config = settings


def test_own_settings_never_replace_the_record(line, line_data):
    own = {"model": "small", "data": "x.npy", "seed": 5, "trainer": 1, "config": "a.yaml", "lr": 3}
    run = fit(own, line, line_data)
    assert run.config["model"]["name"].endswith("Line")
    assert run.config["data"]["name"] == "tuple"
    assert run.config["trainer"]["max_epochs"] == 1
    assert run.config["lr"] == own.pop("lr")
    assert run.config["config"] == own
    assert (run.path / "source" / "rebuild.json").is_file()
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, callbacks=["model_checkpoint"])
    trainer.config = own
    trainer.fit(fl.models.Polynomial(2), (line_data[0][:, :1], line_data[1]))
    assert fl.load(trainer.run.path).degree == 2


class Named(fl.models.Polynomial):
    def __init__(self, degree, name):
        super().__init__(degree)


def test_an_argument_that_is_called_name_is_kept_beside_the_class(line_data):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False)
    trainer.fit(Named(2, name="mine"), (line_data[0][:, :1], line_data[1]))
    found = fl.runs.RunFolder(trainer.run.path).config["model"]
    assert found["name"].endswith(":Named")
    assert (found["degree"], found["init_args"]) == (2, {"name": "mine"})
