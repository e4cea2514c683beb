"""From nothing to an accuracy on MNIST: the wall clock from the start of the process on.

    FIRSTLIGHT_DATA=folder python benchmarks/epoch.py --rounds 3 --json epoch.json
    FIRSTLIGHT_DATA=folder python benchmarks/epoch.py --work cnn --peers firstlight,recipe,torch

Each run is a new process that imports its library, reads the gzipped files, trains a network (Adam,
lr 1e-3, batch 128, pixels from 0 to 1) and stops after the first epoch whose accuracy on the 10,000
test images is reached. The peers take turns, A B C A B C ..., round r with seed r. How many epochs
it takes is chance, so that seconds an epoch stand beside it. The works are

- ``mlp``: 784-512-256-10, to 98 %
- ``cnn``: the convolutional network of PyTorch's MNIST example, to 99 %

===================  ==============================================================================
firstlight           `firstlight.Trainer` with default callbacks and a run folder, compiled before
recipe               the same with the settings of ``examples/mnist_fast.yaml``
torch                a loop by hand over tensors: shuffled indices, no DataLoader
lightning            `lightning.Trainer` as it is, with a DataLoader over a TensorDataset
keras                Keras 3 on PyTorch, ``model.fit``
sklearn              scikit-learn's MLPClassifier, ``partial_fit`` for each epoch
===================  ==============================================================================
"""

import argparse
import datetime
import gzip
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peers import load_work

NEEDS = {
    "firstlight": "numpy",
    "recipe": "yaml",
    "torch": "torch",
    "lightning": "lightning",
    "keras": "keras",
    "sklearn": "sklearn",
}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
HIDDEN, BATCH, LR, MOST_EPOCHS = (512, 256), 128, 1e-3, 30
GOALS = {"mlp": 0.98, "cnn": 0.99}
WORK = sys.argv[4] if sys.argv[1:2] == ["--worker"] else "mlp"
GOAL = GOALS[WORK]
CNN = Path(__file__).parent / "works" / "cnn.py"
RECIPE = Path(__file__).resolve().parents[1] / "examples" / "mnist_fast.yaml"


def firstlight(seed):
    import firstlight as fl

    fl.seed_everything(seed)
    if WORK == "mlp":
        net = fl.models.MLP(784, 10, hidden=HIDDEN, norm=None, dropout=0.0)
    else:
        net = load_work(CNN).ours(BATCH)
    return trained(net, seed)


def recipe(seed):
    import yaml

    import firstlight as fl
    from firstlight.callbacks import LRSchedule

    fl.seed_everything(seed)
    told = yaml.safe_load(RECIPE.read_text())
    settings = {name: value for name, value in told["model"].items() if name != "name"}
    net = fl.models.CNN((28, 28, 1), 10, **settings)
    schedule = LRSchedule(**told["callbacks"]["lr_schedule"])
    return trained(net, seed, [schedule], max_epochs=told["trainer"]["max_epochs"])


def trained(net, seed, callbacks=(), max_epochs=MOST_EPOCHS):
    """Return the accuracies on the test images, until the goal is reached."""
    import firstlight as fl
    from firstlight.callbacks import EarlyStopping

    data = fl.datasets.load("mnist", batch_size=BATCH, val_size=0)
    stop = EarlyStopping("val_acc", patience=MOST_EPOCHS, stopping_threshold=GOAL)
    trainer = fl.Trainer(max_epochs=max_epochs, callbacks=[stop, *callbacks], seed=seed)
    history = trainer.fit(net, data.loader("train"), data.loader("test"))
    return [record["val_acc"] for record in history.records if "val_acc" in record]


def arrays():
    """Return MNIST as float32 rows and labels, for training and for the test."""
    folder = Path(os.environ["FIRSTLIGHT_DATA"]) / "mnist"
    found = []
    for part in ("train", "t10k"):
        for kind, head in (("images-idx3", 16), ("labels-idx1", 8)):
            content = gzip.decompress((folder / f"{part}-{kind}-ubyte.gz").read_bytes())
            found.append(np.frombuffer(content, "uint8", offset=head))
    x, y, x_test, y_test = found
    shape = (784,) if WORK == "mlp" else (1, 28, 28)
    rows = [images.reshape(-1, *shape).astype("float32") / 255 for images in (x, x_test)]
    return rows[0], y.astype("int64"), rows[1], y_test.astype("int64")


def torch_net():
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if WORK == "cnn":
        return load_work(CNN).torch(BATCH)[0]
    layers = []
    for before, after in zip((784, *HIDDEN), HIDDEN, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], 10))


def torch(seed):
    import torch

    torch.manual_seed(seed)
    net, loss = torch_net(), torch.nn.CrossEntropyLoss()
    x, y, x_test, y_test = map(torch.from_numpy, arrays())
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
    reached = []
    while len(reached) < MOST_EPOCHS and (not reached or reached[-1] < GOAL):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss(net(x[batch]), y[batch]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            answers = torch.cat([net(images).argmax(1) for images in x_test.split(1000)])
        reached.append((answers == y_test).float().mean().item())
        net.train()
    return reached


def lightning(seed):
    import lightning
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    class Stop(lightning.Callback):
        reached = []

        def on_validation_epoch_end(self, trainer, module):
            if not trainer.sanity_checking:
                self.reached.append(trainer.callback_metrics["val_acc"].item())
                trainer.should_stop = self.reached[-1] >= GOAL

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch_net()

        def training_step(self, batch, index):
            x, y = batch
            loss = cross_entropy(self.net(x), y)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):
            x, y = batch
            self.log("val_acc", (self.net(x).argmax(1) == y).float().mean())

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=LR)

    lightning.seed_everything(seed)
    x, y, x_test, y_test = map(torch.from_numpy, arrays())
    train = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    test = DataLoader(TensorDataset(x_test, y_test), batch_size=1000)
    lightning.Trainer(max_epochs=MOST_EPOCHS, accelerator="cpu", callbacks=[Stop()]).fit(
        Net(), train, test
    )
    return Stop.reached


def keras(seed):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = logs["val_accuracy"] >= GOAL

    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test = arrays()
    hidden = [keras.layers.Dense(width, activation="relu") for width in HIDDEN]
    net = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(10)])
    net.compile(
        keras.optimizers.Adam(LR),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    told = net.fit(
        *(x, y), batch_size=BATCH, epochs=MOST_EPOCHS, validation_data=(x_test, y_test),
        callbacks=[Stop()], verbose=2,
    )  # fmt: skip
    return told.history["val_accuracy"]


def sklearn(seed):
    from sklearn.neural_network import MLPClassifier

    x, y, x_test, y_test = arrays()
    net = MLPClassifier(
        HIDDEN, batch_size=BATCH, learning_rate_init=LR, alpha=0.0, random_state=seed
    )
    reached = []
    while len(reached) < MOST_EPOCHS and (not reached or reached[-1] < GOAL):
        net.partial_fit(x, y, classes=range(10))
        reached.append(net.score(x_test, y_test))
    return reached


def run(peer, seed, threads, work):
    """Start a peer's process; returns its seconds and the accuracies after each epoch."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--worker", peer, str(seed), work],
            capture_output=True, text=True, cwd=folder, env=environment,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{peer} has failed:\n{done.stderr[-3000:]}")
    return seconds, json.loads(done.stdout.splitlines()[-1])


def measure(peers, rounds, threads, work):
    for peer in peers:
        run(peer, 0, threads, work)  # fills the disk cache, and numba's
    figures = {peer: {"seconds": [], "epochs": [], "accuracy": []} for peer in peers}
    for seed in range(rounds):
        for peer in peers:
            seconds, reached = run(peer, seed, threads, work)
            for name, value in zip(
                figures[peer], (seconds, len(reached), reached[-1]), strict=True
            ):
                figures[peer][name].append(value)
            print(f"seed {seed}  {peer:16s}{seconds:7.1f} s  {len(reached):2d} epochs", flush=True)
    return figures


def table(figures, goal):
    base = figures.get("firstlight", next(iter(figures.values())))["seconds"]
    lines = [f"peer             seconds to {goal:.0%} (min – max)   epochs   s an epoch   ratio"]
    for peer, found in figures.items():
        seconds, epochs = found["seconds"], found["epochs"]
        each = statistics.median(s / e for s, e in zip(seconds, epochs, strict=True))
        median = statistics.median(seconds)
        span = f"{median:.1f} ({min(seconds):.1f} – {max(seconds):.1f})"
        ratio = median / statistics.median(base)
        lines.append(
            f"{peer:16s} {span:>26s}{statistics.median(epochs):9.0f}{each:13.2f}{ratio:8.2f}"
        )
    return "\n".join(lines)


def main():
    if sys.argv[1:2] == ["--worker"]:
        peer, seed, _ = sys.argv[2:]
        reached = globals()[peer](int(seed))
        print("\n" + json.dumps([float(accuracy) for accuracy in reached]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=GOALS, default="mlp")
    parser.add_argument("--peers", default=",".join(NEEDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    told = parser.parse_args()
    peers = told.peers.split(",")
    if unknown := [peer for peer in peers if peer not in NEEDS]:
        parser.error(f"--peers: expected some of {', '.join(NEEDS)}, got {unknown[0]}")
    if not (Path(os.environ.get("FIRSTLIGHT_DATA", "")) / "mnist").is_dir():
        parser.error("set FIRSTLIGHT_DATA to a folder with MNIST's gzipped files in its mnist/")
    if told.work == "cnn" and (wrong := {"keras", "sklearn"} & set(peers)):
        parser.error(
            f"--work cnn: no such network of {', '.join(sorted(wrong))}; name other --peers"
        )
    here = [peer for peer in peers if importlib.util.find_spec(NEEDS[peer])]
    for peer in set(peers) - set(here):
        print(f"{peer}: left out, {NEEDS[peer]} is not installed")
    figures = measure(here, told.rounds, told.threads, told.work)
    print(table(figures, GOALS[told.work]))
    if told.json:
        facts = {
            "work": told.work,
            "goal": GOALS[told.work],
            "threads": told.threads,
            "peers": figures,
        }
        facts["date"] = datetime.date.today().isoformat()
        Path(told.json).write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
