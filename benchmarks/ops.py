"""What a layer costs, forward and backward by themselves: ours against PyTorch.

    python benchmarks/ops.py --threads 2 --only SiLU BatchNorm1d --json ops.json

Both are processes of their own with equal threads, so that neither's threads spin beside the
other's work. They take turns, and while one measures, the other waits on a pipe. Float32 inputs of
a standard normal distribution and a random dy; PyTorch's backward gives dx and every dW, as ours
does. Times are medians over the rounds, in milliseconds; a ratio is the median of the ratios of
each round, below 1 where ours is the faster.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time

import numpy as np

LARGE, SMALL, MAPS = (2048, 1536), (128, 512), (64, 24, 24, 64)
ELEMENTWISE = ("ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus")
SIZED = ("LayerNorm", "BatchNorm1d", "BatchNorm2d")  # built with the length of the last axis
LAYERS = (*ELEMENTWISE, "Softmax", "Dropout", *SIZED)
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
TURN = 0.04  # seconds a turn takes at least
PAUSE = 0.02  # seconds between turns, for the last one's threads to fall asleep


def ours(name, args, shape, x, dy):
    """Return forward and backward of our layer."""
    from firstlight import nn

    layer = getattr(nn, name)(*args)
    return lambda: layer(x), lambda y: layer.backward(dy)


def theirs(name, args, shape, x, dy):
    """Return forward and backward of PyTorch's; images are channels-last there too."""
    import torch

    layer = getattr(torch.nn, name)(*((-1,) if name == "Softmax" else args))
    x, dy = torch.from_numpy(x), torch.from_numpy(dy)
    if len(shape) == 4:
        x, dy = x.permute(0, 3, 1, 2), dy.permute(0, 3, 1, 2)
    x.requires_grad_()
    inputs = (x, *layer.parameters())
    return lambda: layer(x), lambda y: torch.autograd.grad(y, inputs, dy)


def serve(pipe, make, threads):
    """Answer each case that comes through the pipe with its median times."""
    if make is theirs:
        import torch

        torch.set_num_threads(threads)
    cases = {}
    while (case := pipe.recv()) is not None:
        if case not in cases:
            name, args, shape = case
            x, dy = np.random.default_rng(0).standard_normal((2, *shape), dtype="float32")
            cases = {case: make(name, args, shape, x, dy)}  # one at a time
            measure(*cases[case])  # warm up
        pipe.send(measure(*cases[case]))


def measure(forward, backward):
    """Return the median times of forward and backward, in milliseconds."""
    times, end = [], time.perf_counter() + TURN
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        y = forward()
        middle = time.perf_counter()
        backward(y)
        times.append((middle - start, time.perf_counter() - middle))
    return [1e3 * statistics.median(column) for column in zip(*times, strict=True)]


def compare(pipes, case, rounds):
    """Let both measure a case in turns; return the row of the table."""
    turns = {peer: [] for peer in pipes}
    for _ in range(rounds):
        for peer, pipe in pipes.items():
            pipe.send(case)
            forward, backward = pipe.recv()
            turns[peer].append((forward, backward, forward + backward))
            time.sleep(PAUSE)
    name, _, shape = case
    row = {"layer": name, "shape": list(shape)}
    for index, part in enumerate(("forward", "backward", "both")):
        mine, other = ([turn[index] for turn in turns[peer]] for peer in ("ours", "torch"))
        row[part] = {
            "ours": statistics.median(mine),
            "torch": statistics.median(other),
            "ratio": statistics.median(a / b for a, b in zip(mine, other, strict=True)),
        }
    return row


def show(row):
    parts = [row[part] for part in ("forward", "backward", "both")]
    cells = [f"{p['ours']:8.3f} {p['torch']:8.3f} {p['ratio']:6.2f}" for p in parts]
    shape = " x ".join(map(str, row["shape"]))
    print(f"{row['layer']:<12} {shape:<18}", *cells, sep=" |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=LAYERS, default=LAYERS, metavar="LAYER")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    told = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, str(told.threads)))  # the peers inherit them
    context, pipes = multiprocessing.get_context("spawn"), {}
    for peer, make in (("ours", ours), ("torch", theirs)):
        pipes[peer], end = context.Pipe()
        context.Process(target=serve, args=(end, make, told.threads), daemon=True).start()
    titles = (f"{part:^24}" for part in ("forward", "backward", "both"))
    print(f"{told.threads} threads; ms, ms, ratio".ljust(32), *titles, sep="|")
    print(f"{'layer':<12} {'shape':<18}", *[f"{'ours':>8} {'torch':>8} {'ratio':>6}"] * 3, sep=" |")
    rows = []
    for layer in told.only:
        for shape in (MAPS,) if layer == "BatchNorm2d" else (LARGE, SMALL):
            case = layer, (shape[-1],) if layer in SIZED else (), shape
            rows.append(compare(pipes, case, told.rounds))
            show(rows[-1])
    for pipe in pipes.values():
        pipe.send(None)
    if told.json:
        about = {"threads": told.threads, "rounds": told.rounds, "machine": platform.machine()}
        with open(told.json, "w") as file:
            json.dump({**about, "numpy": np.__version__, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
