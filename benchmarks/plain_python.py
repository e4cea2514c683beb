"""What arrays are worth: the same network in plain Python, on NumPy and on CuPy.

    python benchmarks/plain_python.py             # 64-32-10, batch 32
    python benchmarks/plain_python.py --sizes 784,256,10 --batch 128 --rounds 3

One step is forward, backward and gradient descent, from the same weights on the same batch. The
contestants take turns; the table has the median of the rounds, and how many steps of it plain
Python's one takes. Without a graphics card the last row is missing.
"""

import argparse
import statistics
import time

import numpy as np

from firstlight import nn, optim
from firstlight.models.plain_python import PlainMLP
from firstlight.support import backend


def array_network(plain, device):
    """Return the network of arrays with the weights of the plain one, on a device."""
    layers = []
    for rows, bias in zip(plain.weights, plain.biases, strict=True):
        linear = nn.Linear(len(rows[0]), len(rows), needs_dx=bool(layers))
        linear.weight.data[...], linear.bias.data[...] = rows, bias
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device=device)


def array_step(plain, x, y, device):
    """Return a function that takes one step and waits until it is done."""
    net, loss = array_network(plain, device), nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    x, y = (backend.to_device(array, device) for array in (x, y))

    def step():
        value = loss(net(x), y)
        net.backward(loss.backward())
        optimizer.step()
        optimizer.zero_grad()
        return float(value)  # fetches it, and so waits for the graphics card

    return step


def seconds(step, least=0.2):
    """Return the seconds of one step, averaged over at least so many seconds of them."""
    count, start = 0, time.perf_counter()
    while not count or time.perf_counter() - start < least:
        step()
        count += 1
    return (time.perf_counter() - start) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="64,32,10")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    own = parser.parse_args()
    sizes = [int(size) for size in own.sizes.split(",")]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(own.batch, sizes[0])).astype("float32")
    y = rng.integers(0, sizes[-1], own.batch)
    plain = PlainMLP(sizes)
    rows, labels = x.tolist(), y.tolist()
    steps = {"NumPy": array_step(plain, x, y, "cpu")}
    if backend.resolve_device("auto") != "cpu":
        steps["CuPy"] = array_step(plain, x, y, "cuda")
    steps = {"plain Python": lambda: plain.step(rows, labels, 0.1)} | steps
    for step in steps.values():
        step()  # warm up
    times = {name: [] for name in steps}
    for _ in range(own.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    slowest = statistics.median(times["plain Python"])
    print(f"{own.sizes}, batch {own.batch}, {own.rounds} rounds\n")
    print("| | ms a step (median, min - max) | times as fast |\n|---|---|---|")
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"{1e3 * min(found):.3g} - {1e3 * max(found):.3g}"
        print(f"| {name} | {1e3 * middle:.3g} ({spread}) | {slowest / middle:,.0f} |")


if __name__ == "__main__":
    main()
