"""Where a step's time goes: forward and backward of each layer, and the rest of the step.

    python benchmarks/layers.py --work cnn --steps 100

Each module's forward and backward are timed without those of the modules in them; a layer that
forms can compute as a whole, such as FeedForward, is timed with its parts. Modules of the same
class and shape count as one row. Medians over steps, in milliseconds; with what numba
compiles, unless FIRSTLIGHT_COMPILED is 0. The last rows are the whole step and
its matrix products alone, by NumPy, into arrays made beforehand.
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

THREADS = str(os.cpu_count())
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, THREADS)  # before NumPy is imported

import numpy as np  # noqa: E402
from peers import load_work  # noqa: E402

from firstlight.support.forms import lesson_of  # noqa: E402


class Clock:
    """Exclusive times by name: what runs within another is taken off that."""

    def __init__(self):
        self.times, self.inner = defaultdict(float), [0.0]

    def timed(self, name, function):
        """Return a function that does the same, and is timed under a name."""

        def run(*args, **kwargs):
            self.inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.times[name] += spent - self.inner.pop()
                self.inner[-1] += spent

        return run

    def watch(self, module):
        inside = set()  # a form of a whole layer fits only if nothing wraps its parts
        for _, part in module.named_modules():
            if part in inside:
                continue
            if lesson_of(type(part).forward):
                inside.update(part.modules())
            title = f"{type(part).__name__}({part.extra_repr()})"
            part.forward = self.timed((title, 0), part.forward)
            part.backward = self.timed((title, 1), part.backward)

    def take(self):
        """Return the times since the last call, by name."""
        found, self.times = self.times, defaultdict(float)
        return found


def measure(net, batches, steps):
    """Return the times of each step, by name."""
    clock, optimizer = Clock(), net.configure_optimizer()
    clock.watch(net)

    def step(batch):
        output = net.training_step(batch)
        net.backward(output.dy)
        clock.timed((type(optimizer).__name__, 0), optimizer.step)()
        clock.timed(("zero_grad", 0), optimizer.zero_grad)()

    step = clock.timed(("the rest", 0), step)
    net.train()
    found = []
    for index in range(steps + 10):
        start = time.perf_counter()
        step(batches[index % len(batches)])
        spent = time.perf_counter() - start
        times = clock.take()
        if index >= 10:
            found.append({**times, ("whole step", 0): spent})
    return found


def products(shapes, steps):
    """Return the median time of a step's matrix products alone, in seconds."""
    rng = np.random.default_rng(0)
    operands = []
    for *many, m, k, n in shapes:
        a, b = (rng.standard_normal((*many, *s), "float32") for s in ((m, k), (k, n)))
        operands.append((a, b, np.empty((*many, m, n), "float32")))
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        for a, b, out in operands:
            np.matmul(a, b, out=out)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=("cnn", "gpt", "mlp"), default="cnn")
    parser.add_argument("--size", help="one of the work's SIZES (default: the first)")
    parser.add_argument("--steps", type=int, default=60)
    told = parser.parse_args()
    work = load_work(Path(__file__).resolve().parent / f"works/{told.work}.py")
    sizes = getattr(work, "SIZES", {})
    if told.size is not None and told.size not in sizes:
        parser.error(f"--size: {told.work} has the sizes {', '.join(sizes) or 'none'}")
    options = dict(sizes[told.size or next(iter(sizes))]) if sizes else {}
    batch = options.pop("batch", work.BATCH)
    found = measure(work.ours(batch, **options), work.batches(batch, 4, **options), told.steps)
    names = {title: None for times in found for title, _ in times}
    rows = [
        (title, *(statistics.median(times.get((title, k), 0.0) for times in found) for k in (0, 1)))
        for title in names
    ]
    whole = next(forward for title, forward, _ in rows if title == "whole step")
    rows.sort(key=lambda row: (row[0] == "whole step", -row[1] - row[2]))
    print("| layer | forward | backward | share |\n|---|---|---|---|")
    for title, forward, backward in rows:
        share = (forward + backward) / whole
        back = f"{1e3 * backward:.2f}" if backward else ""
        print(f"| {title} | {1e3 * forward:.2f} | {back} | {share:.0%} |")
    alone = products(work.gemms(batch, **options), told.steps)
    print(f"| matrix products alone | {1e3 * alone:.2f} | | {alone / whole:.0%} |")


if __name__ == "__main__":
    main()
