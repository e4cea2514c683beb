"""The summary: right numbers, a neat table, and a model left as it was."""

import copy

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.parameter import Parameter
from firstlight.support import rng as randomness
from firstlight.support.summary import human, summarize


class Tied(fl.Module):
    """Shares a weight, runs a layer twice, has a list of blocks, a loss and an idle layer."""

    def __init__(self):
        self.embed = nn.Embedding(7, 4)
        self.blocks = [nn.Residual(nn.Linear(4, 4)) for _ in range(2)]
        self.relu = nn.ReLU()
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.idle = nn.Linear(2, 2)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = self.relu(block(x))
        return self.head(x)


class Restless(fl.Module):
    """Draws random numbers and counts its calls, even in evaluation."""

    def __init__(self):
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + randomness.stream("dropout").random()


class TwoOutputs(fl.Module):
    def forward(self, x):
        return x * 2, x.sum(axis=1)


def rows(summary):
    return {row.name: row for row in summary.rows}


@pytest.fixture
def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))


def test_numbers_of_an_mlp(mlp):
    summary = mlp.summary(np.zeros((3, 4, 3), "float32"))
    assert [row.type for row in summary.rows] == [
        "Sequential", "Flatten", "Linear", "ReLU", "Linear",
    ]  # fmt: skip
    assert [row.name for row in summary.rows] == ["", "0", "1", "2", "3"]
    assert [row.output_shape for row in summary.rows] == [
        (3, 2), (3, 12), (3, 5), (3, 5), (3, 2),
    ]  # fmt: skip
    assert [row.parameters for row in summary.rows] == [0, 0, 65, 0, 10]
    assert [row.flops for row in summary.rows] == [0, 0, 2 * 3 * 12 * 5, 15, 2 * 3 * 5 * 2]
    assert (summary.parameters, summary.trainable, summary.parameter_bytes) == (75, 75, 300)
    assert summary.flops == 360 + 15 + 60
    assert summary.activation_bytes == 4 * (15 + 15 + 6)  # Flatten's output is x itself
    assert summary.input_shape == (3, 4, 3)


def test_shared_repeated_and_idle_modules():
    model = Tied()
    model.blocks[0].freeze()
    summary = summarize(model, np.zeros((2, 3), int))
    found = rows(summary)
    assert list(found) == [
        "", "embed", "blocks.0", "blocks.0.body", "blocks.1", "blocks.1.body", "relu", "head",
        "idle",
    ]  # fmt: skip
    assert (found["embed"].parameters, found["head"].parameters) == (28, 0)
    assert (found["blocks.0.body"].trainable, found["blocks.1.body"].trainable) == (0, 20)
    assert summary.parameters == sum(p.size for p in model.parameters()) == 28 + 40 + 6
    assert found["relu"].flops == 2 * 24  # ran twice
    assert found["relu"].activation_bytes == 2 * 24 * 4
    assert found["blocks.0"].flops == 24  # the addition
    assert found[""].flops == 0  # only hands on what its head made
    assert found["idle"].output_shape is None
    assert "not run" in str(summary)
    assert f"{28 + 40 + 6} ({28 + 20 + 6} trainable)" in str(summary)


def test_several_outputs():
    summary = summarize(TwoOutputs(), np.zeros((3, 4)))
    assert summary.rows[0].output_shape == ((3, 4), (3,))
    assert summary.activation_bytes == 8 * (12 + 3)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), Restless(), nn.Linear(4, 2)
    ).train(training)
    x = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")
    if training:
        model(x)  # not undone yet
    model[4].eval()
    stacks = [None if m._stack is None else list(m._stack) for m in model.modules()]
    attributes = [dict(vars(m)) for m in model.modules()]
    arrays, streams = model.state_dict(), randomness.state_dict()
    model.summary(x)
    assert [vars(m) for m in model.modules()] == attributes
    assert [m.training for m in model.modules()] == [training] * 5 + [False]
    assert all(
        len(now._stack or []) == len(then or [])
        for now, then in zip(model.modules(), stacks, strict=True)
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, arrays[name])
    assert randomness.state_dict() == streams


def test_the_model_is_left_as_it_was_after_an_error(mlp):
    before = copy.copy(vars(mlp[1]))
    with pytest.raises(ValueError, match="Linear: expected x with last axis 12"):
        mlp.summary(np.zeros((3, 13), "float32"))
    assert vars(mlp[1]) == before
    assert mlp.training
    mlp(np.zeros((3, 12), "float32"))
    mlp.backward(np.zeros((3, 2), "float32"))


def test_parameters_outside_layers_count_for_their_owner():
    class Scale(fl.Module):
        def __init__(self):
            self.factors = [Parameter(np.ones(3)), Parameter(np.ones(4))]

        def forward(self, x):
            return x * self.factors[0].data

    assert summarize(Scale(), np.ones((2, 3))).rows[0].parameters == 7


def test_the_table():
    summary = Tied().summary(np.zeros((2, 3), int))
    assert str(summary) == (
        "Name        Type       Output shape  Parameters  FLOPs\n"
        "------------------------------------------------------\n"
        "model       Tied       (2, 3, 7)              -      -\n"
        "  embed     Embedding  (2, 3, 4)             28      -\n"
        "  blocks.0  Residual   (2, 3, 4)              -     24\n"
        "    body    Linear     (2, 3, 4)             20    192\n"
        "  blocks.1  Residual   (2, 3, 4)              -     24\n"
        "    body    Linear     (2, 3, 4)             20    192\n"
        "  relu      ReLU       (2, 3, 4)              -     48\n"
        "  head      Linear     (2, 3, 7)              -    336\n"
        "  idle      Linear     not run                6      -\n"
        "------------------------------------------------------\n"
        "Parameters:   74 (all trainable), 296 B\n"
        "One forward:  816 FLOPs for input (2, 3)\n"
        "Activations:  840 B"
    )


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0, "", "0"),
        (999, "", "999"),
        (1000, "", "1 k"),
        (101_770, "", "101.8 k"),
        (6_422_528, "", "6.423 M"),
        (3 * 10**17, "", "3e+05 T"),
        (1023, "B", "1023 B"),
        (1024, "B", "1 KiB"),
        (5 * 2**30, "B", "5 GiB"),
    ],
)
def test_numbers_for_people(number, unit, text):
    assert human(number, unit) == text
