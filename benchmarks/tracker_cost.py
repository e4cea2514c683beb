"""What experiment trackers cost a training: microseconds a record on the training's thread.

For each tracker that is installed (examples/trackers), and for none, a tiny network trains with a
record at every step. `on_log` is timed alone, while the tracker's thread works; then the whole
training, which shares the interpreter with that thread. All runs are kept in a temporary folder.

    python benchmarks/tracker_cost.py [--steps 1000] [--trackers trackio,wandb,mlflow,aim]
"""

import argparse
import contextlib
import io
import os
import statistics
import tempfile
import time

import firstlight as fl
from firstlight import plugins
from firstlight.testing import TinyNet, tiny_data


def timed(tracker, times):
    """Let a tracker's `on_log` note its seconds."""
    on_log = tracker.on_log

    def measured(record):
        start = time.perf_counter()
        on_log(record)
        times.append(time.perf_counter() - start)

    tracker.on_log = measured
    return tracker


def train(steps, tracker=None):
    """Return the seconds of each `on_log`, and of the steps alone."""
    times, callbacks = [], []
    if tracker is not None:
        callbacks = [timed(plugins.registry("callback").get(tracker)("cost", 600), times)]
    trainer = fl.Trainer(
        max_steps=steps,
        log_every_n_steps=1,
        callbacks=callbacks,
        default_callbacks=False,
        seed=0,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(TinyNet(), tiny_data())
    return times, trainer.history.records[-1]["time"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--trackers", default="trackio,wandb,mlflow,aim")
    own = parser.parse_args()
    installed = plugins.registry("callback").names()
    names = [name for name in own.trackers.split(",") if name in installed]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ |= {"TRACKIO_DIR": folder, "WANDB_MODE": "offline"}
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        print("tracker     records   mean us   median us   99 % us   max us   steps s")
        for name in [None, *names]:
            times, seconds = train(own.steps, name)
            us = sorted(1e6 * one for one in times) or [0.0]
            middle = f"{statistics.mean(us):>10.1f}{statistics.median(us):>12.1f}"
            end = f"{us[int(0.99 * len(us))]:>10.1f}{us[-1]:>9.0f}{seconds:>10.2f}"
            print(f"{name or 'none':<10}{len(times):>9}{middle}{end}")


if __name__ == "__main__":
    main()
