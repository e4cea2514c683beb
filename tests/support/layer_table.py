"""Every public layer once or more: what to build, and which inputs to feed it.

A case is ``(id, make_layer, inputs)``; inputs are made by ``floats``, ``fractions`` and
``integers``, so that an embedding takes integers and a loss a prediction and a target::

    Case("Embedding", lambda: nn.Embedding(10, 4), integers(10, 5, 3)),
    Case("Embedding, large", lambda: nn.Embedding(2000, 4, padding_idx=7), integers(9, 50, 3)),
    Case("CrossEntropyLoss", nn.CrossEntropyLoss, floats(6, 10), integers(10, 6)),
"""

import layer_table_attention
import layer_table_conv
import layer_table_losses
import layer_table_norm
import layer_table_recurrent

from firstlight import nn


class Case:
    def __init__(self, name, make, *inputs):
        self.name, self.make, self.makers = name, make, inputs

    @property
    def is_loss(self):
        """Takes a target too."""
        return len(self.makers) > 1

    def inputs(self, rng):
        return [make(rng) for make in self.makers]


def floats(*shape):
    """Standard normal numbers, float32."""
    return lambda rng: rng.standard_normal(shape).astype("float32")


def fractions(*shape):
    """Numbers from 0 to 1, float32."""
    return lambda rng: rng.random(shape, dtype="float32")


def probabilities(*shape):
    """Rows that sum to 1, float32."""
    return lambda rng: rng.dirichlet([1.0] * shape[-1], shape[:-1]).astype("float32")


def integers(high, *shape):
    """Integers from 0 to high - 1, int64."""
    return lambda rng: rng.integers(0, high, shape)


CASES = [
    Case("Linear", lambda: nn.Linear(3, 4), floats(5, 3)),
    Case("Linear, no bias, 3 axes", lambda: nn.Linear(3, 4, bias=False), floats(2, 5, 3)),
    Case("Linear, needs_dx=False", lambda: nn.Linear(3, 4, needs_dx=False), floats(5, 3)),
    Case(
        "Sequential",
        lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)),
        floats(5, 3),
    ),
    Case(
        "Sequential, flat first layer without dx",
        lambda: nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(12, 2, needs_dx=False)),
        floats(5, 3, 4),
    ),
    Case(
        "Sequential, reshaped first layer without dx",
        lambda: nn.Sequential(nn.Reshape(4, 3), nn.Linear(3, 2, needs_dx=False)),
        floats(5, 12),
    ),
    Case("Residual", lambda: nn.Residual(nn.Linear(3, 3)), floats(5, 3)),
    Case("Concatenate", lambda: nn.Concatenate(nn.Identity(), nn.Linear(3, 2)), floats(5, 3)),
    Case(
        "Concatenate, first layers without dx",
        lambda: nn.Concatenate(*(nn.Linear(3, n, needs_dx=False) for n in (1, 4))),
        floats(2, 5, 3),
    ),
    Case("Identity", nn.Identity, floats(5, 3)),
    Case("Flatten", nn.Flatten, floats(5, 3, 4, 2)),
    Case("Flatten, start_dim=2", lambda: nn.Flatten(2), floats(5, 3, 4, 2)),
    Case("Reshape", lambda: nn.Reshape(2, -1, 3), floats(5, 12)),
    Case("ReLU", nn.ReLU, floats(5, 3)),
    Case("LeakyReLU", nn.LeakyReLU, floats(5, 3)),
    Case("LeakyReLU, 0.3", lambda: nn.LeakyReLU(0.3), floats(2, 5, 3)),
    Case("ELU", nn.ELU, floats(5, 3)),
    Case("ELU, 0.7", lambda: nn.ELU(0.7), floats(2, 5, 3)),
    Case("Sigmoid", nn.Sigmoid, floats(5, 3)),
    Case("Tanh", nn.Tanh, floats(5, 3)),
    Case("SiLU", nn.SiLU, floats(5, 3)),
    Case("Softplus", nn.Softplus, floats(5, 3)),
    Case("Softplus, sharp", lambda: nn.Softplus(beta=3.0, threshold=2.0), floats(5, 3)),
    Case("GELU", nn.GELU, floats(5, 3)),
    Case("GELU, tanh", lambda: nn.GELU(approximate="tanh"), floats(5, 3)),
    Case("Softmax", nn.Softmax, floats(5, 3)),
    Case("Softmax, dim=1 of 3", lambda: nn.Softmax(dim=1), floats(2, 5, 3)),
    Case("LogSoftmax", nn.LogSoftmax, floats(5, 3)),
    Case("LogSoftmax, dim=1 of 3", lambda: nn.LogSoftmax(dim=1), floats(2, 5, 3)),
    Case("Dropout", nn.Dropout, floats(5, 8)),
    Case("Dropout, p=0", lambda: nn.Dropout(0.0), floats(5, 8)),
    Case("Dropout, p=1", lambda: nn.Dropout(1.0), floats(5, 8)),
    Case("BatchNorm1d", lambda: nn.BatchNorm1d(3), floats(5, 3)),
    Case("BatchNorm1d, (N, L, C)", lambda: nn.BatchNorm1d(3, affine=False), floats(4, 5, 3)),
    Case(
        "BatchNorm1d, untracked",
        lambda: nn.BatchNorm1d(3, eps=1e-2, track_running_stats=False),
        floats(5, 3),
    ),
    Case("LayerNorm", lambda: nn.LayerNorm(3), floats(5, 3)),
    Case("LayerNorm, two axes", lambda: nn.LayerNorm((4, 3), bias=False), floats(2, 5, 4, 3)),
    Case("LayerNorm, plain", lambda: nn.LayerNorm(3, 1e-2, elementwise_affine=False), floats(5, 3)),
    Case("RMSNorm", lambda: nn.RMSNorm(3), floats(5, 3)),
    Case("RMSNorm, two axes", lambda: nn.RMSNorm((4, 3), eps=1e-2), floats(5, 4, 3)),
    Case("RMSNorm, plain", lambda: nn.RMSNorm(3, elementwise_affine=False), floats(2, 5, 3)),
    Case("Embedding", lambda: nn.Embedding(10, 4), integers(10, 5, 3)),
    Case("CrossEntropyLoss", nn.CrossEntropyLoss, floats(6, 10), integers(10, 6)),
    Case(
        "CrossEntropyLoss, everything, 3 axes",
        lambda: nn.CrossEntropyLoss(
            [0.5, 2.0, 1.0, 3.0], ignore_index=2, reduction="sum", label_smoothing=0.2
        ),
        floats(5, 3, 4),
        integers(4, 5, 3),
    ),
    Case(
        "CrossEntropyLoss, each",
        lambda: nn.CrossEntropyLoss(reduction="none"),
        floats(6, 10),
        integers(10, 6),
    ),
    Case(
        "CrossEntropyLoss, everything, each",
        lambda: nn.CrossEntropyLoss(
            [0.5, 2.0, 1.0, 3.0], ignore_index=2, reduction="none", label_smoothing=0.2
        ),
        floats(5, 3, 4),
        integers(4, 5, 3),
    ),
    Case(
        "CrossEntropyLoss, probabilities",
        lambda: nn.CrossEntropyLoss([0.5, 2.0, 1.0, 3.0], label_smoothing=0.2),
        floats(5, 3, 4),
        probabilities(5, 3, 4),
    ),
    Case(
        "CrossEntropyLoss, probabilities, each",
        lambda: nn.CrossEntropyLoss(reduction="none"),
        floats(6, 4),
        probabilities(6, 4),
    ),
    Case(
        "BCEWithLogitsLoss, each",
        lambda: nn.BCEWithLogitsLoss(reduction="none"),
        floats(6, 3),
        fractions(6, 3),
    ),
    Case("MSELoss, each", lambda: nn.MSELoss(reduction="none"), floats(6, 3), floats(6, 3)),
    Case("L1Loss, each", lambda: nn.L1Loss(reduction="none"), floats(6, 3), floats(6, 3)),
    Case("HuberLoss, each", lambda: nn.HuberLoss(reduction="none"), floats(6, 3), floats(6, 3)),
    Case("BCEWithLogitsLoss", nn.BCEWithLogitsLoss, floats(6, 3), fractions(6, 3)),
    Case(
        "BCEWithLogitsLoss, weighted sum",
        lambda: nn.BCEWithLogitsLoss(pos_weight=[0.5, 2.0, 3.0], reduction="sum"),
        floats(6, 3),
        fractions(6, 3),
    ),
    Case("MSELoss", nn.MSELoss, floats(6, 3), floats(6, 3)),
    Case("MSELoss, sum", lambda: nn.MSELoss(reduction="sum"), floats(6, 3), floats(6, 3)),
    Case("L1Loss", nn.L1Loss, floats(6, 3), floats(6, 3)),
    Case("L1Loss, sum", lambda: nn.L1Loss(reduction="sum"), floats(6, 3), floats(6, 3)),
    Case("HuberLoss", nn.HuberLoss, floats(6, 3), floats(6, 3)),
    Case(
        "HuberLoss, 0.4, sum",
        lambda: nn.HuberLoss(reduction="sum", delta=0.4),
        floats(6, 3),
        floats(6, 3),
    ),
]

for more in (layer_table_attention, layer_table_conv, layer_table_norm, layer_table_recurrent):
    CASES += more.cases(Case, floats)
CASES += layer_table_losses.cases(Case, floats, fractions, integers, probabilities)
