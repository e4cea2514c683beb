"""What a step costs more under the Trainer than in a hand-written loop.

Both train the same network on the same batches. The time of a step is that between two requests
for a batch; runs of the two loops alternate; the figure is the difference of the medians.

    python benchmarks/overhead.py
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import contextlib
import io
import statistics
import tempfile
import time

import numpy as np

import firstlight as fl

ROUNDS, STEPS = 9, 1000


class TimedBatches:
    """The same batch again and again; notes when each one is asked for."""

    def __init__(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(32, 64)).astype("float32")
        self.batch = x, rng.integers(0, 10, 32)
        self.times = []

    def __len__(self):
        return STEPS

    def __iter__(self):
        for _ in range(STEPS):
            self.times.append(time.perf_counter())
            yield self.batch

    def median_step(self):
        """Return the median time of a step in microseconds."""
        return 1e6 * statistics.median(np.diff(self.times))


def network():
    return fl.models.MLP(64, 10, hidden=(128,), norm=None, dropout=0.0)


def by_hand():
    batches, net = TimedBatches(), network()
    optimizer = net.configure_optimizer()
    for x, y in batches:
        net.loss(net(x), y)
        net.backward(net.loss.backward())
        optimizer.step()
        optimizer.zero_grad()
    return batches.median_step()


def by_trainer():
    batches = TimedBatches()
    with tempfile.TemporaryDirectory() as folder:
        trainer = fl.Trainer(max_epochs=1, runs_dir=folder)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.fit(network(), batches)
    return batches.median_step()


def main():
    by_hand(), by_trainer()  # warm up
    hand, trainer = zip(*((by_hand(), by_trainer()) for _ in range(ROUNDS)), strict=True)
    for name, values in (("by hand", hand), ("Trainer", trainer)):
        print(
            f"{name:<10}{statistics.median(values):8.1f} us a step "
            f"({min(values):.1f} to {max(values):.1f}, {ROUNDS} runs of {STEPS} steps)"
        )
    print(f"{'overhead':<10}{statistics.median(trainer) - statistics.median(hand):8.1f} us a step")


if __name__ == "__main__":
    main()
