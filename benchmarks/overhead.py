"""What a step costs more under the Trainer than in a hand-written loop.

All train the same network on the same batches: by hand, without and with the accuracy of each
batch, under a Trainer without callbacks, and under one with its default callbacks. The time of a
step is that between two requests for a batch; runs of the loops alternate; the figure is the
difference of the medians to the loop with accuracy, which the Trainer computes too.

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


def by_hand_with_accuracy():
    batches, net = TimedBatches(), network()
    optimizer = net.configure_optimizer()
    net.train()
    for batch in batches:
        net.backward(net.training_step(batch).dy)  # its metrics are there, nobody reads them
        optimizer.step()
        optimizer.zero_grad()
    return batches.median_step()


def by_trainer(**options):
    batches = TimedBatches()
    with tempfile.TemporaryDirectory() as folder:
        trainer = fl.Trainer(max_epochs=1, runs_dir=folder, **options)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.fit(network(), batches)
    return batches.median_step()


LOOPS = {
    "by hand": by_hand,
    "by hand, with accuracy": by_hand_with_accuracy,
    "Trainer, no callbacks": lambda: by_trainer(default_callbacks=False),
    "Trainer, default callbacks": by_trainer,
}


def main():
    times = {name: [] for name in LOOPS}
    for _ in range(ROUNDS + 1):
        for name, loop in LOOPS.items():
            times[name].append(loop())
    for name, (_, *values) in times.items():  # the first round is to warm up
        more = statistics.median(values) - statistics.median(times["by hand, with accuracy"][1:])
        print(
            f"{name:<28}{statistics.median(values):8.1f} us a step "
            f"({min(values):.1f} to {max(values):.1f}, {ROUNDS} runs of {STEPS} steps), "
            f"{more:+.1f} us"
        )


if __name__ == "__main__":
    main()
