"""Scripts as users write them, who know nothing of the recorder."""

# A project as a user of Lightning would write it, who knows nothing of the recorder.
TRAIN = """
import argparse
from pathlib import Path

import firstlight as fl
from firstlight import nn

from blobs import Blobs, load_arrays
from nets.mlp import Net

API_KEY = "hush-hush"


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, default=8)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--form", default="arrays")
    parser.add_argument("--token", default="hush-hush-hush")
    return parser.parse_args()


def login(api_key: str = "hush-hush-hush"):
    pass


def train(net, data, val=None):
    trainer = fl.Trainer(max_epochs=2, callbacks=["early_stopping"], log_every_n_steps=10, seed=1)
    login(api_key="hush-hush-hush"); trainer.fit(net, data, val)


def main(args):
    Path("side_effect").touch()
    print("training")
    net = Net(hidden=(args.hidden, 4), activation=nn.ReLU, weights=[1.0, 2.0])
    if args.form == "arrays":
        (x, y), val = load_arrays(args.samples)
        train(net, (x, y), val)
    else:
        blobs = Blobs(args)
        blobs.setup()
        train(net, data=blobs.splits)


if __name__ == "__main__":
    main(parse())
"""
NET = """
import numpy as np

import firstlight as fl
from firstlight import nn, optim

from .parts import Body


class Net(fl.Module):
    def __init__(self, hidden, activation, weights, lr=0.05, in_features=2):
        weights.append(1.0)  # the caller's list
        self.body = Body([in_features, *hidden, len(weights)], activation())
        self.loss = nn.CrossEntropyLoss(weight=np.array(weights, "float32"))
        self.lr = lr

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=self.lr, weight_decay=0.01)
"""
PARTS = """
from firstlight import nn


class Body(nn.Sequential):
    def __init__(self, sizes, activation):
        first = sizes.pop(0)  # the caller's list
        layers = []
        for size in sizes:
            layers += [nn.Linear(first, size), activation]
            first = size
        super().__init__(*layers[:-1])
"""
BLOBS = """
import numpy as np

import firstlight as fl


def load_arrays(samples, noise=0.3):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=samples)
    x = np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1) + noise * rng.normal(size=(samples, 2))
    cut = samples // 4
    return (x[cut:], y[cut:]), (x[:cut], y[:cut])


class Blobs:
    def __init__(self, args):
        self.args = args

    def setup(self):
        train, val = load_arrays(self.args.samples)
        names = ["a", "b", "c"]
        self.splits = fl.DataSplits(train, val, val, name="blobs", classes=names, batch_size=7)
"""
FILES = {
    "train.py": TRAIN, "nets/mlp.py": NET, "nets/parts.py": PARTS, "blobs.py": BLOBS,
    "unused.py": "raise SystemExit(3)",
}  # fmt: skip


OPEN = """
import firstlight as fl
from firstlight import nn, optim


class Net(nn.Sequential):
    def __init__(self, file):
        super().__init__(nn.Linear(2, 2))
        self.loss = nn.MSELoss()

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)


if __name__ == "__main__":
    import numpy as np
    x = np.random.default_rng().normal(size=(8, 2))
    with open("train.py") as file:
        fl.Trainer(max_epochs=1).fit(Net(file), (x, x))
"""


# Ways to call fit that scripts have; each run is named by its way.
MANY = """
from __future__ import annotations
import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import firstlight as fl
from firstlight import nn, optim

SCALE = 2.0
FILE = Path(__file__).parent / "table.npy"
side_effects = []


@dataclass
class Settings:
    samples: int = 12
    names: tuple[str, ...] = ()


class Net(fl.Module):
    def __init__(self, settings: Settings | argparse.Namespace, *, bias=True):
        trainer = 3  # the name of a global, too
        self.body = nn.Linear(3, 1, bias=bias)
        self.loss = nn.MSELoss()
        self.scale = SCALE * len(vars(settings))

    def forward(self, x):
        return self.scale * self.body(x)

    def backward(self, dy):
        return self.body.backward(self.scale * dy)

    def configure_optimizer(self):
        slow = {"params": [self.body.weight], "lr": 0.01}
        return optim.SGD([slow, {"params": [self.body.bias]}], lr=0.02)


def quiet(name):
    return fl.Trainer(max_epochs=1, callbacks=["model_checkpoint"], default_callbacks=False,
                      name=name)


rng = np.random.default_rng(len(sys.argv))
x = rng.normal(size=(20, 3))
x *= SCALE
y = x.sum(axis=1, keepdims=True)
print("noise")
trainer = quiet("top")
trainer.fit(Net(Settings()), (x, y), (x[:5], y[:5]))
trainer.test(trainer.module, (x, y))
for count in (6, 9):
    quiet(f"loop-{count}").fit(Net(Settings(count)), fl.ArrayDataset(x[:count], y[:count]))

scaler = fl.transforms.Scale(float(np.abs(x).max()))
loader = fl.DataLoader((x, y), batch_size=5, shuffle=True)
quiet("loader").fit(Net(Settings()), loader)


def of_file(path=FILE, *, rows):
    table = np.load(path)[:rows]
    return table[:, :3], table[:, 3:]


class Experiment:
    def __init__(self, args, transform=None):
        self.args, self.transform = args, transform
        self.data = None

    def prepare(self):
        data = of_file(rows=self.args.rows)
        self.data = fl.DataSplits(data, test=data, transform=self.transform, name="table")
        return self

    def run(self, name, model=None):
        quiet(name).fit(model or Net(self.args, bias=False or True), self.data)


np.save(FILE, rng.normal(size=(16, 4)))
experiment = Experiment(argparse.Namespace(rows=10, note=None), transform=scaler)
experiment.prepare()
experiment.run("method")
named = fl.datasets.load("polynomial", n_train=9, function=np.cos)
quiet("named").fit(fl.models.Polynomial(degree=2), named)
Path("t.csv").write_text("a,b\\n" + "".join(f"{i},{i % 7}.5\\n" for i in range(30)))
table = fl.datasets.load("t.csv", target="b")
quiet("csv").fit(fl.models.Polynomial(degree=1), table)
same = fl.load("csv", weights="last")
assert type(same) is fl.models.Polynomial
assert type(fl.load("top")) is Net, "the class that is here already"
"""


# A script with its model in one file and its data in another, as users of Lightning have them.
LIGHTNING = {
    "train.py": """
from argparse import ArgumentParser

import firstlight as fl
from data import BlobsDataModule
from model import Classifier


def main(args):
    fl.seed_everything(args.seed)
    dm = BlobsDataModule(batch_size=args.batch_size)
    dm.prepare_data()
    dm.setup("fit")
    model = Classifier(**vars(args))
    checkpoint = fl.callbacks.ModelCheckpoint(monitor="val_loss")
    stop = fl.callbacks.EarlyStopping("val_loss", patience=args.patience)
    trainer = fl.Trainer(max_epochs=3, callbacks=[checkpoint, stop], name="blobs")
    trainer.fit(model, dm.train_dataloader(), dm.val_dataloader())
    trainer.validate(model, dm.val_dataloader())


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--patience", type=int, default=3)
    parser = Classifier.add_model_specific_args(parser)
    main(parser.parse_args())
""",
    "model.py": """
import firstlight as fl
from firstlight import nn, optim


class Classifier(fl.Module):
    @staticmethod
    def add_model_specific_args(parent):
        group = parent.add_argument_group("Classifier")
        group.add_argument("--hidden", type=int, nargs="+", default=[8, 8])
        group.add_argument("--lr", type=float, default=1e-2)
        return parent

    def __init__(self, hidden, lr=1e-3, **kwargs):
        self.lr, self.kwargs = lr, kwargs
        sizes = [2, *hidden]
        layers = []
        for before, after in zip(sizes, sizes[1:]):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Linear(sizes[-1], 3))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=self.lr)
""",
    "data.py": """
from pathlib import Path

import numpy as np

import firstlight as fl

FILE = Path("cache") / "blobs.npz"


class BlobsDataModule:
    def __init__(self, batch_size=32):
        self.batch_size = batch_size

    def prepare_data(self):
        FILE.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(1)
        y = rng.integers(3, size=90)
        x = np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1) + 0.2 * rng.normal(size=(90, 2))
        np.savez(FILE, x=x.astype("float32"), y=y)

    def setup(self, stage=None):
        with np.load(FILE) as file:
            x, y = file["x"], file["y"]
        self.train = fl.ArrayDataset(x[:60], y[:60])
        self.val = fl.ArrayDataset(x[60:], y[60:])

    def train_dataloader(self):
        return fl.DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return fl.DataLoader(self.val, batch_size=self.batch_size)
""",
}
