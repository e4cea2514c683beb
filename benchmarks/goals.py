"""The works of ``time_to_goal.py``: what is trained, with which settings, and until when.

Settings have the form of ``firstlight fit --config``, and the recipes are such files, in examples/.
PyTorch's networks are made from the same settings.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from peers import load_work

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
GPT_TWIN = Path(__file__).parent / "works" / "gpt.py"
CLASSES, TOKENS, BLOCK = 10, 65, 64
EXAMPLE_CNN = {  # the network of PyTorch's MNIST example
    "name": "cnn", "channels": [32, 64], "padding": 0, "pool_every": 2, "norm": None,
    "dropout": 0.25, "hidden_dropout": 0.5, "lr": 1e-3,
}  # fmt: skip
SMALL_CNN = {
    "name": "cnn", "channels": [32, 64], "norm": None,
    "dropout": 0.0, "hidden_dropout": 0.5, "lr": 1e-3,
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """A data set and a goal.

    The metric is looked at every so many epochs or steps (``val_every``), on the test images or the
    validation part of the text.
    """

    data: str
    metric: str
    goal: float
    val_every: int | str
    plain: dict  # settings: those that anyone would begin with
    recipe: str  # a file of examples/

    def settings(self, recipe):
        return yaml.safe_load((EXAMPLES / self.recipe).read_text()) if recipe else self.plain

    def reached(self, value):
        return value <= self.goal if self.metric == "val_loss" else value >= self.goal


WORKS = {
    "digits": Work(
        *("digits", "val_acc", 0.98, 1),
        {"model": SMALL_CNN, "data": {"batch_size": 32}, "trainer": {"max_epochs": 100}},
        "digits_fast.yaml",
    ),
    "mnist": Work(
        *("mnist", "val_acc", 0.99, 1),
        {"model": EXAMPLE_CNN, "data": {"batch_size": 128}, "trainer": {"max_epochs": 30}},
        "mnist_fast.yaml",
    ),
    "shakespeare": Work(
        *("tiny_shakespeare", "val_loss", 1.9, "250 steps"),
        yaml.safe_load((EXAMPLES / "shakespeare.yaml").read_text())
        | {"trainer": {"max_steps": 4000}},
        "shakespeare_fast.yaml",
    ),
}


def load(work, settings):
    """Return firstlight's splits; test images are all that is not trained on."""
    import firstlight as fl

    size = settings["data"]["batch_size"]
    if work.data == "tiny_shakespeare":
        return fl.datasets.load(work.data, batch_size=size, block_size=BLOCK)
    return fl.datasets.load(work.data, batch_size=size, val_size=0)


def write_arrays(work, folder):
    """Write samples and targets, as a loader gives them, where the peers of PyTorch read them."""
    splits = load(work, work.plain)
    if work.data == "tiny_shakespeare":
        blocks = work.plain["trainer"]["max_steps"] * work.plain["data"]["batch_size"]
        parts = {"train": splits.train.draw(blocks, np.random.default_rng(0))}
    else:
        parts = {"train": splits.train[np.arange(len(splits.train))]}
    held = splits.val if splits.test is None else splits.test
    parts["held"] = held[np.arange(len(held))]
    for part, (x, y) in parts.items():
        if x.ndim == 4:
            x = x.transpose(0, 3, 1, 2)
        np.save(Path(folder, f"{part}_x.npy"), np.ascontiguousarray(x))
        np.save(Path(folder, f"{part}_y.npy"), y.astype("int64"))


def our_net(work, model):
    """Return firstlight's network."""
    import firstlight as fl

    settings = {name: value for name, value in model.items() if name != "name"}
    shape = (8, 8, 1) if work.data == "digits" else (28, 28, 1)
    if model["name"] == "gpt":
        return fl.models.GPT(TOKENS, BLOCK, **settings)
    return fl.models.CNN(shape, CLASSES, **settings)


def torch_net(work, model):
    """Return PyTorch's network and loss, the same layers with PyTorch's initial weights."""
    from torch import nn

    if model["name"] == "gpt":
        sizes = {"layers": model.get("n_layer", 4), "heads": 4, "width": model.get("n_embd", 128)}
        return load_work(GPT_TWIN).torch(None, block=BLOCK, **sizes)
    loss = nn.CrossEntropyLoss(label_smoothing=model.get("label_smoothing", 0.0))
    return cnn(model, 8 if work.data == "digits" else 28), loss


def cnn(model, side):
    """Return PyTorch's twin of `firstlight.models.CNN`."""
    from torch import nn

    padding, width, layers = model.get("padding", "same"), 1, []
    for index, size in enumerate(model["channels"], 1):
        layers.append(nn.Conv2d(width, size, 3, padding=padding))
        layers += [] if "norm" in model else [nn.BatchNorm2d(size)]
        layers.append(nn.ReLU())
        side -= 0 if padding == "same" else 2
        if index % model.get("pool_every", 1) == 0:
            layers += [nn.MaxPool2d(2), nn.Dropout(model["dropout"])]
            side //= 2
        width = size
    head = [nn.Linear(width * side**2, 128), nn.ReLU(), nn.Dropout(model["hidden_dropout"])]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(128, CLASSES))
