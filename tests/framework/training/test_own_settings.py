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
