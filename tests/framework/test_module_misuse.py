"""What a module and a parameter say when they are taken for something else."""

from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn


@pytest.mark.parametrize(
    "compute",
    [
        lambda w: np.ones((1, 2)) @ w,
        lambda w: w @ np.ones((2, 1)),
        lambda w: np.ones(2) + w,
        lambda w: w * np.ones(2),
        lambda w: np.exp(w),
        lambda w: np.dot(np.ones((1, 2)), w),
        lambda w: np.einsum("ij,jk", np.ones((1, 2)), w),
        lambda w: np.asarray(w),
        lambda w: np.array([w, w]),
        lambda w: np.sum(w),
    ],
)
def test_arithmetic_with_a_parameter_says_data(compute):
    weight = fl.Parameter(np.ones((2, 2)))
    with pytest.raises(TypeError, match=r"Parameter of shape \(2, 2\).*@ self.weight.data"):
        compute(weight)


@pytest.mark.parametrize(
    ("came", "message"),
    [
        ("runs/a/best.safetensors", r"got a str; read the file first: .*Checkpoint.load\('runs/a"),
        (Path("best.safetensors"), r"got a PosixPath; read the file first: "),
        (fl.Checkpoint({}), r"got a Checkpoint; pass its model: load_state_dict\(check"),
        ([], "got a list; pass what state_dict"),
    ],
)
def test_load_state_dict_of_no_dict(came, message):
    with pytest.raises(TypeError, match=f"Linear.load_state_dict: expected a dict.*{message}"):
        nn.Linear(1, 1).load_state_dict(came)
    with pytest.raises(TypeError, match="Linear.from_torch: expected a state_dict"):
        nn.Linear(1, 1).from_torch(came)
