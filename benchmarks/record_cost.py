"""What the record of a script costs its training, which it gets without a line of code.

A script trains for one step, with its model and its data in other files of a git checkout that has
an uncommitted change. New processes run it several times. The first run of each process is reported
separately, and so are processes that have imported large packages, whose modules are searched too.
Copies are those of the script's files, of the change, of the console, and a hash of some samples;
the rest is to take 1 ms at most: arguments, settings, values of the callers, search for modules.

    python benchmarks/record_cost.py [--rounds 9] [--repeats 5] [--imports torch,pandas,...]
                                     [--clock thread_time]

On a busy machine, ``--clock thread_time`` takes the processor time of the training's thread, which
other programs disturb less; what it waits for, such as git and the disk, is then left out.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from firstlight.runs import console, edits, run, sources, transcript
from firstlight.support import construction
from firstlight.training import recording

SCRIPT = """
import argparse
import firstlight as fl
from data import draw
from net import Net

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[32, 16])
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    fl.seed_everything(1)
    callbacks = ["early_stopping", "model_checkpoint"]
    trainer = fl.Trainer(max_steps=1, callbacks=callbacks, default_callbacks=False)
    model = Net(20, args.hidden, lr=args.lr)
    trainer.fit(model, draw(args.samples), draw(100))

if __name__ == "__main__":
    main()
"""
NET = """
import firstlight as fl
from firstlight import nn, optim

class Net(fl.Module):
    def __init__(self, inputs, hidden, classes=2, *, lr):
        layers = []
        for outputs in hidden:
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
            inputs = outputs
        self.body = nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(inputs, classes))
        self.loss, self.lr = nn.CrossEntropyLoss(), lr

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=self.lr)
"""
DATA = """
import numpy as np

def draw(samples):
    x = np.random.default_rng(0).normal(size=(samples, 20))
    return x, (x[:, 0] > 0).astype("int64")  # half of them
"""
PARTS = {  # what is timed, without what is timed within it
    "arguments kept": [(construction.Construction, "__init__")],
    "settings": [(recording, "describe"), (run, "masked")],
    "modules found": [(sources, "collect")],
    "callers' values, record": [(recording, "of_training")],
    "copies: console, its file": [(console._Tap, "__init__"), (transcript.Transcript, "__init__")],
    "copies: files read, masked": [(sources, "read_source"), (sources, "masked_source")],
    "copies: files compared": [(edits, "is_edited")],
    "copies: samples hashed": [(recording, "fingerprints")],
    "copies: files written": [(sources, "write")],
    "copies: patch": [(run, "uncommitted_changes")],
}


class Spans:
    """The seconds of each of `PARTS`."""

    def __init__(self, clock):
        self.clock = getattr(time, clock)
        self.seconds, self._within = Counter(), [0.0]
        for part, calls in PARTS.items():
            for owner, name in calls:
                setattr(owner, name, self._timed(part)(getattr(owner, name)))

    @contextlib.contextmanager  # whose frames are not recorded as callers of `fit`
    def _timed(self, part):
        self._within.append(0.0)
        start = self.clock()
        yield
        seconds = self.clock() - start
        self.seconds[part] += seconds - self._within.pop()
        self._within[-1] += seconds


def measure(repeats, imports, clock):
    """Run the script of the working directory, and print the seconds of each part as JSON."""
    for name in imports:
        importlib.import_module(name)
    sys.path[0], sys.argv = os.getcwd(), ["train.py"]
    found, spans = [], Spans(clock)
    for _ in range(repeats):
        spans.seconds.clear()
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(os.path.abspath("train.py"), run_name="__main__")
        found.append(dict(spans.seconds))
    print(json.dumps({"modules": len(sys.modules), "runs": found}))


def checkout(folder):
    """Write the script's project, commit it, and change one file."""
    files = {"train.py": SCRIPT, "net.py": NET, "data.py": DATA, ".gitignore": "runs\n"}
    for name, text in files.items():
        Path(folder, name).write_text(text)
    author = ("-c", "user.name=me", "-c", "user.email=me@here")
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "Train"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    Path(folder, "data.py").write_text(DATA.replace("half", "about half"))


def table(rounds, repeats, imports, clock):
    with tempfile.TemporaryDirectory() as folder:
        checkout(folder)
        command = [sys.executable, os.path.abspath(__file__), "--measure"]
        command += ["--repeats", str(repeats), "--imports", ",".join(imports), "--clock", clock]
        done = [
            subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
            for _ in range(rounds)
        ]
    processes = [json.loads(one.stdout) for one in done]
    first = [process["runs"][0] for process in processes]
    again = [one for process in processes for one in process["runs"][1:]]
    print(f"{processes[0]['modules']} modules imported{'first run':>24}{'repeated':>12}  (ms)")
    groups = {
        **{part: [part] for part in PARTS},
        "all copies": [part for part in PARTS if part.startswith("copies")],
        "all the rest": [part for part in PARTS if not part.startswith("copies")],
    }
    for name, parts in groups.items():
        each = ([sum(one.get(p, 0) for p in parts) for one in runs] for runs in (first, again))
        columns = "".join(f"{1000 * statistics.median(values):12.2f}" for values in each)
        print(f"{name:<32}{columns}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9, help="processes of each kind")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each process")
    parser.add_argument("--imports", default="torch,pandas,matplotlib.pyplot,scipy.stats")
    parser.add_argument("--clock", default="perf_counter", choices=["perf_counter", "thread_time"])
    parser.add_argument("--measure", action="store_true", help="in this process; see `measure`")
    own = parser.parse_args()
    asked = own.imports.split(",")
    imports = [name for name in asked if name and importlib.util.find_spec(name.partition(".")[0])]
    if own.measure:
        measure(own.repeats, imports, own.clock)
        return
    for names in ([], imports):
        table(own.rounds, own.repeats, names, own.clock)


if __name__ == "__main__":
    main()
