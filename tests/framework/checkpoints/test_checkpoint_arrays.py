"""Arrays of callbacks in a checkpoint."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from firstlight.checkpoints.format import Checkpoint


def test_arrays_of_callbacks_come_back(tmp_path):
    path = tmp_path / "a.safetensors"
    array = np.arange(12.0, dtype="float32").reshape(3, 4).T  # strided
    Checkpoint({"w": np.ones(2)}, arrays={"EMA.1/w": array}, extra={"n": 1}).save(path)
    with safe_open(path, framework="numpy") as file:
        assert sorted(file.keys()) == ["extra/EMA.1/w", "model/w"]
        assert "arrays" not in json.loads(file.metadata()["firstlight"])
    read = Checkpoint.load(path)
    assert list(read.arrays) == ["EMA.1/w"]
    np.testing.assert_array_equal(read.arrays["EMA.1/w"], array)
    assert read.arrays["EMA.1/w"].dtype == "float32"
    assert list(read.model) == ["w"]
    assert read.extra == {"n": 1}
    assert read.weights().arrays == {}


def test_a_file_without_them_has_none(tmp_path):
    Checkpoint({"w": np.ones(2)}).save(tmp_path / "a.safetensors")
    assert Checkpoint.load(tmp_path / "a.safetensors").arrays == {}


def test_the_checksum_covers_them(tmp_path):
    path = tmp_path / "a.safetensors"
    Checkpoint({"w": np.ones(2)}, arrays={"EMA.1/w": np.ones(2)}).save(path)
    with safe_open(path, framework="numpy") as file:
        metadata, tensors = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    tensors["extra/EMA.1/w"][0] += 1
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ValueError, match="checksum does not match"):
        Checkpoint.load(path)
