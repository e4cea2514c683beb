"""The loops that `step.py` compares, one process for each; not to be started by hand.

A worker is told on its standard input how many steps to make, makes them, answers on its standard
output with the time they took, and sleeps in a blocking read until it is told again. What a
library prints goes to standard error, which is a file.
"""

import contextlib
import gc
import importlib.util
import itertools
import json
import os
import resource
import sys
import time
from pathlib import Path

BATCHES = 16  # made beforehand, gone through again and again; the same for all peers
NEEDS = {"ours": "numpy", "trainer": "numpy", "trainer-bare": "numpy", "gemms": "numpy"}
NEEDS |= {"ours-fast": "numba", "trainer-fast": "numba"}
NEEDS |= {"torch": "torch", "torch-fused": "torch"}
NEEDS |= {"lightning": "lightning", "lightning-barebones": "lightning"}


class Done(Exception):
    """Ends a training from within its loader."""


class Turns:
    """The worker's end of the pipe: waits for a turn, takes the time, answers."""

    def __init__(self):
        self.answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever prints from here on does not disturb the answers

    def wait(self):
        """Return the number of steps to make now."""
        line = sys.stdin.readline()
        if not line.strip() or line.strip() == "stop":
            raise Done
        self.cpu, self.start = time.process_time(), time.perf_counter()
        return int(line)

    def over(self):
        """Tell the parent how long the turn took, on the clock and on all cores together."""
        seconds, cpu = time.perf_counter() - self.start, time.process_time()
        self.answer(seconds=seconds, cpu=cpu - self.cpu, cpu_in_all=cpu)

    def answer(self, **values):
        print(json.dumps(values), file=self.answers)


class Feed:
    """The loader of a ``fit``: hands out batches while there is a turn, and waits in between.

    A step is all that happens from one request for a batch to the next.
    """

    def __init__(self, batches, turns):
        self.batches, self.turns = itertools.cycle(batches), turns

    def __len__(self):
        return 10**9

    def __iter__(self):
        while True:
            yield from itertools.islice(self.batches, self.turns.wait())
            self.turns.over()


def load_work(path):
    """Return the module in a file of ``benchmarks/works``."""
    spec = importlib.util.spec_from_file_location(f"work_{Path(path).stem}", path)
    work = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(work)
    return work


# --- the loops: each returns (parameters, loss of the first batch at the end) -------------------


def ours(work, batch, size, peer, folder, turns):
    import firstlight as fl

    net = work.ours(batch, **size)
    batches = work.batches(batch, BATCHES, **size)
    optimizer = net.configure_optimizer()
    check_optimizer(work, optimizer)
    if peer.startswith("ours"):
        with contextlib.suppress(Done):
            turns.answer(ready=True)
            feed = itertools.cycle(batches)
            while True:
                for data in itertools.islice(feed, turns.wait()):
                    net.backward(net.training_step(data).dy)
                    optimizer.step()
                    optimizer.zero_grad()
                turns.over()
    else:
        bare = {"default_callbacks": False, "runs_dir": None}
        settings = bare if peer == "trainer-bare" else {"runs_dir": folder}
        with contextlib.suppress(Done):
            turns.answer(ready=True)
            fl.Trainer(max_epochs=1, **settings).fit(net, Feed(batches, turns))
    loss = net.train().training_step(batches[0]).loss
    return sum(parameter.size for parameter in net.parameters()), float(loss)


def torch(work, batch, size, peer, folder, turns):
    net, loss_function, batches, optimizer = torch_parts(work, batch, size)
    optimizer = optimizer(net.parameters(), fused=peer == "torch-fused" or None)
    with contextlib.suppress(Done):
        turns.answer(ready=True)
        feed = itertools.cycle(batches)
        while True:
            for x, y in itertools.islice(feed, turns.wait()):
                loss_function(net(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
            turns.over()
    return torch_result(net, loss_function, batches)


def lightning(work, batch, size, peer, folder, turns):
    import lightning

    net, loss_function, batches, optimizer = torch_parts(work, batch, size)
    bare = peer == "lightning-barebones"  # which logs nothing

    class Step(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, data, index):
            x, y = data
            loss = loss_function(self.net(x), y)
            if not bare:
                self.log("train_loss", loss)
            return loss

        def configure_optimizers(self):
            return optimizer(self.parameters())

    settings = {"barebones": True} if bare else {"default_root_dir": folder}
    with contextlib.suppress(Done):
        turns.answer(ready=True)
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **settings)
        trainer.fit(Step(), Feed(batches, turns))
    return torch_result(net, loss_function, batches)


def gemms(work, batch, size, peer, folder, turns):
    """The matrix products of a step, and nothing else, on arrays made beforehand."""
    import numpy as np

    rng, products = np.random.default_rng(0), []
    for *lead, m, k, n in work.gemms(batch, **size):
        a, b = rng.random((*lead, m, k), "float32"), rng.random((*lead, k, n), "float32")
        products.append((a, b, np.zeros((*lead, m, n), "float32")))
    with contextlib.suppress(Done):
        turns.answer(ready=True)
        while True:
            for _ in range(turns.wait()):
                for a, b, out in products:
                    np.matmul(a, b, out=out)
            turns.over()
    return None, None


def check_optimizer(work, optimizer):
    name, settings = work.OPTIMIZER
    mine = type(optimizer).__name__, optimizer.lr
    if mine != (name, settings["lr"]):
        raise ValueError(f"{work.__name__}: OPTIMIZER is {work.OPTIMIZER}, the module's {mine}")


def torch_parts(work, batch, size):
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net, loss_function = work.torch(batch, **size)
    batches = [work.to_torch(x, y) for x, y in work.batches(batch, BATCHES, **size)]
    name, settings = work.OPTIMIZER

    def optimizer(parameters, **more):
        return getattr(torch.optim, name)(parameters, **settings, **more)

    return net.train(), loss_function, batches, optimizer


def torch_result(net, loss_function, batches):
    x, y = batches[0]
    return sum(p.numel() for p in net.parameters()), loss_function(net.train()(x), y).item()


# --- the worker ---------------------------------------------------------------------------------


def peak_megabytes():
    """Return the most memory that this process has had resident."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count what the parent had when it forked
        (line,) = [s for s in status.read_text().splitlines() if s.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def versions():
    found = {"python": sys.version.split()[0]}
    for name in ("numpy", "torch", "lightning", "firstlight"):
        if name in sys.modules:
            found[name] = sys.modules[name].__version__
    return found


def main():
    turns, told = Turns(), json.loads(sys.argv[1])
    peer = told["peer"]
    if importlib.util.find_spec(NEEDS[peer]) is None:
        turns.answer(missing=NEEDS[peer])
        return
    loops = {"ours": ours, "trainer": ours, "trainer-bare": ours, "gemms": gemms}
    loops |= {"ours-fast": ours, "trainer-fast": ours}
    loops |= {"lightning": lightning, "lightning-barebones": lightning}
    loop = loops.get(peer, torch)
    work = load_work(told["work"])
    gc.collect()
    parameters, loss = loop(work, told["batch"], told["size"], peer, told["folder"], turns)
    turns.answer(peak=peak_megabytes(), parameters=parameters, loss=loss, versions=versions())


if __name__ == "__main__":
    main()
