"""The processes that `step.py` compares, one for each peer; not to be started by hand.

A worker is told on its standard input how many steps to make, makes them, answers on its standard
output with the time they took, and sleeps in a blocking read until it is told again. What a
library prints goes to standard error, which is a file.
"""

import contextlib
import gc
import importlib.util
import json
import resource
import sys
from pathlib import Path

from floor import adam, gemms
from jax_peer import jax
from torch_peers import lightning, reason_against, torch
from turns import BATCHES, Done, Feed, Turns


def load_work(path):
    """Return the module in a file of ``benchmarks/works``."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    work = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # for torch.compile
    spec.loader.exec_module(work)
    return work


def ours(work, batch, size, peer, folder, turns):
    import firstlight as fl

    net = work.ours(batch, **size)
    batches = work.batches(batch, BATCHES, **size)
    optimizer = net.configure_optimizer()
    check_optimizer(work, optimizer)
    if peer.startswith("ours"):

        def step(data):
            net.backward(net.training_step(data).dy)
            optimizer.step()
            optimizer.zero_grad()

        turns.serve(step, batches)
    else:
        bare = {"default_callbacks": False, "runs_dir": None}
        settings = bare if peer == "trainer-bare" else {"runs_dir": folder}
        with contextlib.suppress(Done):
            turns.answer(ready=True)
            fl.Trainer(max_epochs=1, **settings).fit(net, Feed(batches, turns))
    loss = net.train().training_step(batches[0]).loss
    return sum(parameter.size for parameter in net.parameters()), float(loss)


def check_optimizer(work, optimizer):
    name, settings = work.OPTIMIZER
    mine = type(optimizer).__name__, optimizer.lr
    if mine != (name, settings["lr"]):
        raise ValueError(f"{work.__name__}: OPTIMIZER is {work.OPTIMIZER}, the module's {mine}")


# peer: (its loop, the modules it needs); a loop returns how many parameters there are, and the loss
# of the first batch at the end
PEERS = {
    "gemms": (gemms, ("numpy",)),
    "adam": (adam, ("numba",)),
    "ours": (ours, ("numpy",)),
    "ours-fast": (ours, ("numba",)),
    "trainer": (ours, ("numpy",)),
    "trainer-fast": (ours, ("numba",)),
    "trainer-bare": (ours, ("numpy",)),
    "torch": (torch, ("torch",)),
    "torch-fused": (torch, ("torch",)),
    "torch-channels-last": (torch, ("torch",)),
    "torch-compile": (torch, ("torch",)),
    "lightning": (lightning, ("lightning",)),
    "lightning-barebones": (lightning, ("lightning",)),
    "jax": (jax, ("jax", "optax")),
}


def missing(peer, work):
    """Return why a peer cannot take part, or None."""
    for module in PEERS[peer][1]:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    return reason_against(peer, work)


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
    for name in ("numpy", "numba", "torch", "lightning", "jax", "optax", "firstlight"):
        if name in sys.modules:
            found[name] = sys.modules[name].__version__
    return found


def main():
    turns, told = Turns(), json.loads(sys.argv[1])
    peer, work = told["peer"], load_work(told["work"])
    if reason := missing(peer, work):
        turns.answer(missing=reason)
        return
    gc.collect()
    loop, _ = PEERS[peer]
    parameters, loss = loop(work, told["batch"], told["size"], peer, told["folder"], turns)
    turns.answer(peak=peak_megabytes(), parameters=parameters, loss=loss, versions=versions())


if __name__ == "__main__":
    main()
