"""Several inputs and targets: dicts and tuples of arrays through data set, splits, loader, step."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn, optim
from firstlight.data.nested import NestedDataset
from firstlight.data.splits import as_loader

RNG = np.random.default_rng(0)
X = {"image": RNG.normal(size=(300, 2, 2, 1)), "table": RNG.normal(size=(300, 3))}
Y = (X["table"][:, 0] + X["image"].sum(axis=(1, 2, 3)) > 0).astype(int)


class TwoInputs(fl.Module):
    """One linear layer for each input."""

    def __init__(self):
        self.of_image, self.of_table = nn.Linear(4, 2), nn.Linear(3, 2)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        self.save(x["image"].shape)
        return self.of_image(x["image"].reshape(len(x["image"]), -1)) + self.of_table(x["table"])

    def backward(self, dy):
        (shape,) = self.saved()
        return {
            "image": self.of_image.backward(dy).reshape(shape),
            "table": self.of_table.backward(dy),
        }

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=0.1)


class DictBatches(TwoInputs):
    """The same, from batches that are one dict."""

    def validation_step(self, batch):
        return super().validation_step((batch, batch["label"]))


def part(rows, structure):
    """Return some samples of a structure."""
    if isinstance(structure, dict):
        return {name: part(rows, one) for name, one in structure.items()}
    if isinstance(structure, tuple):
        return tuple(part(rows, one) for one in structure)
    return structure[rows]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("form", ["tuple", "dict", "splits", "fit"])
def test_a_network_of_two_inputs_learns(form, workers):
    whole = (X, Y) if form != "dict" else {**X, "label": Y}
    train, test = part(slice(0, 200), whole), part(slice(200, 300), whole)
    net = DictBatches() if form == "dict" else TwoInputs()
    trainer = fl.Trainer(max_epochs=6, callbacks=[], runs_dir=None)
    if form == "splits":
        data = fl.DataSplits(train, val=test, test=test, num_workers=workers)
        history = trainer.fit(net, data)
        assert data.input_shape == {"image": (2, 2, 1), "table": (3,)}
        assert data.classes == ["0", "1"]
        assert trainer.test(net, data)["test_acc"] > 0.9
    else:
        loader = fl.DataLoader(train, 8, shuffle=True, num_workers=workers)
        history = trainer.fit(net, loader if form == "tuple" else train, test)
    assert history.best("val_acc")["val_acc"] > 0.9
    assert "train_acc" in history.records[-1]


def test_batches_have_the_structure_of_the_data():
    data = NestedDataset(((X["image"], X["table"]), {"label": Y, "amount": X["table"][:, 1]}))
    assert repr(data) == (
        "NestedDataset(data: ((float32 (300, 2, 2, 1), float32 (300, 3)), "
        "{label: int64 (300,), amount: float32 (300,)}))"
    )
    for indices, count in ((np.array([3, 1]), 2), (slice(0, 5), 5), (Y == 1, Y.sum())):
        (image, table), y = data[indices]
        np.testing.assert_array_equal(image, X["image"][indices].astype("float32"))
        assert len(table) == len(y["label"]) == len(y["amount"]) == count
    (batch, *_) = as_loader({"a": Y, "b": X["table"]}, "train")
    assert {name: array.shape for name, array in batch.items()} == {"a": (32,), "b": (32, 3)}


def test_splits_describe_several_inputs_and_targets():
    splits = fl.DataSplits((X, {"label": Y, "amount": X["table"]}), name="two")
    assert splits.describe_target() == "targets: {label: int64 (), amount: float32 (3,)}"
    assert "{image: float32 (2, 2, 1), table: float32 (3,)}" in splits._repr_html_()
    splits = fl.DataSplits({"image": X["image"], "label": Y}, name="two")
    assert splits.describe_target() == "samples: {image: float32 (2, 2, 1), label: int64 ()}"
    assert repr(splits).endswith("a dict a batch)")


def test_transforms_get_the_structure():
    def doubled(batch, rng):
        return {**batch, "table": 2 * batch["table"]}

    data = fl.DataSplits({"table": X["table"], "y": Y}, transform=doubled)
    np.testing.assert_allclose(data.train[:2]["table"], 2 * X["table"][:2], rtol=1e-6)
    with pytest.raises(ValueError, match="go through .* already"):
        fl.DataSplits(data.train, transform=lambda batch, rng: batch)


@pytest.mark.parametrize(
    ("structure", "error", "message"),
    [
        (({"a": Y, "b": Y[:5]}, Y), ValueError, r"one length, got \[300, 5, 300\]"),
        (({"a": X["table"] * np.nan}, Y), ValueError, "array 0 has NaN or infinity"),
        (({"a": np.array(["x", "y"])}, Y[:2]), TypeError, "expected numbers in array 0"),
    ],
)
def test_structures_that_are_refused(structure, error, message):
    with pytest.raises(error, match=message):
        fl.DataSplits(structure)
