"""What the layer monitor costs: training steps with it and without, in turns in one process.

A turn is a training of some steps; one with the callback follows one without it, and so on. Blocks
of steps from one measurement to the next are timed, by the processor time of all threads, so that
hooks, records and files count, and other work on the machine does not. A turn's time is its median
block, a ratio the median over the pairs of turns.

    FIRSTLIGHT_DATA=... python benchmarks/layer_health_cost.py [--works digits,mlp,cnn] [--rounds 9]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")  # before NumPy is imported

import argparse
import contextlib
import io
import itertools
import statistics
import tempfile
import time

import works.cnn
import works.mlp

import firstlight as fl
from firstlight.callbacks import LayerMonitor

EVERY = 20  # steps between measurements
WARM_UP = 3  # blocks of a turn that do not count
BLOCKS = {"digits": 100, "mlp": 40, "cnn": 10}  # of a turn


def digits():
    """Return the model of ``firstlight fit`` without arguments, and its batches."""
    data = fl.datasets.load("digits")
    return fl.models.MLP(64, 10), list(data.loader("train"))


def mlp():
    return works.mlp.ours(128), images(128)


def cnn():
    return works.cnn.ours(64), images(64)


def images(size):
    """Return batches of MNIST; on noise, units would die."""
    loader = fl.datasets.load("mnist", batch_size=size).loader("train")
    return list(itertools.islice(loader, 64))


WORKS = {"digits": digits, "mlp": mlp, "cnn": cnn}


class Feed:
    """A loader that repeats some batches, and keeps the time at the end of each block."""

    def __init__(self, batches, steps):
        self.batches, self.steps, self.times = batches, steps, []

    def __len__(self):
        return self.steps

    def __iter__(self):
        for step, batch in zip(range(self.steps), itertools.cycle(self.batches)):
            if step % EVERY == 5:  # between two measurements
                self.times.append(time.process_time())
            yield batch


def turn(name, watched, **settings):
    """Train, and return the milliseconds of a step."""
    fl.seed_everything(0)
    model, batches = WORKS[name]()
    feed = Feed(batches, EVERY * (WARM_UP + BLOCKS[name]))
    monitor = LayerMonitor(every_n_steps=EVERY, show="never")
    callbacks = [*settings.pop("callbacks"), *([monitor] if watched else [])]
    with contextlib.redirect_stdout(io.StringIO()):
        fl.Trainer(max_epochs=1, callbacks=callbacks, default_callbacks=False, **settings).fit(
            model, feed
        )
    blocks = [b - a for a, b in itertools.pairwise(feed.times[WARM_UP:])]
    return 1e3 / EVERY * statistics.median(blocks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--rounds", type=int, default=9, help="pairs of turns")
    own = parser.parse_args()
    print("work    records go to   ms a step, without   with   with / without (min to max)")
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "memory": {"callbacks": [], "runs_dir": None},
            "tensorboard": {"callbacks": ["tensorboard"], "runs_dir": folder},
        }
        for name, place in itertools.product(own.works.split(","), settings):
            pairs = [
                [turn(name, watched, **settings[place]) for watched in (False, True)]
                for _ in range(own.rounds)
            ]
            without, with_it = map(statistics.median, zip(*pairs, strict=True))
            ratios = [b / a for a, b in pairs]
            spread = f"({min(ratios):.3f} to {max(ratios):.3f})"
            middle = f"{without:>20.3f}{with_it:>7.3f}{statistics.median(ratios):>17.3f}"
            print(f"{name:<8}{place:<12}{middle} {spread}", flush=True)


if __name__ == "__main__":
    main()
