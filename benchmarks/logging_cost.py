"""What the default callbacks cost: an MLP on MNIST with them, and with nothing that watches.

Trainings of the two kinds take turns on the same machine; the default callbacks are TensorBoard,
plots, progress and checkpoints, with the run folder's records. An epoch counts from one epoch's
record to the next, with all that happens between; what happens once, at the start and the end,
is told apart. Then the shares of a run's time that `Throughput` counts, which other work on the
machine disturbs less; and for each panel of TensorBoard the time that the callback counts.

    FIRSTLIGHT_DATA=... python benchmarks/logging_cost.py [--epochs 4] [--rounds 3]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")  # before NumPy is imported

import argparse
import contextlib
import io
import statistics
import tempfile
import time

import firstlight as fl
from firstlight.callbacks import Plots, TensorBoard

DEFAULTS = ("TensorBoard", "ProgressBar", "ModelCheckpoint")
PANELS = ("histograms", "gradients", "activations", "images", "pr_curves", "embeddings")


def train(data, epochs, **settings):
    """Train, and return the trainer and the seconds of the whole."""
    fl.seed_everything(0)
    model = fl.models.MLP(784, 10, hidden=(512, 256), norm=None, dropout=0.0)
    trainer = fl.Trainer(max_epochs=epochs, **settings)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(model, data)
    return trainer, time.perf_counter() - start


def epoch_seconds(trainer):
    """Return from one epoch's record to the next, so that all callbacks between are counted."""
    times = [r["time"] for r in trainer.history.records if "epoch_seconds" in r]
    return [after - before for before, after in zip(times, times[1:], strict=False)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4, help="of each training")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each kind")
    own = parser.parse_args()
    data = fl.datasets.load("mnist")
    plain, watched, once = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(own.rounds):
            nothing = {"default_callbacks": False, "runs_dir": None}
            trainer, bare_all = train(data, own.epochs, **nothing)
            plain += epoch_seconds(trainer)
            trainer, all_of_it = train(data, own.epochs, runs_dir=folder)
            watched += epoch_seconds(trainer)
            gained = statistics.median(watched) - statistics.median(plain)
            once.append(all_of_it - bare_all - own.epochs * gained)
        base, full = statistics.median(plain), statistics.median(watched)
        print(f"epoch with nothing        {base:8.3f} s ({min(plain):.3f} to {max(plain):.3f})")
        print(f"epoch with the defaults   {full:8.3f} s ({min(watched):.3f} to {max(watched):.3f})")
        print(f"the defaults cost         {full / base - 1:8.1%} of an epoch")
        print(f"and once, start and end   {statistics.median(once):8.3f} s")
        trainer, _ = train(data, own.epochs, runs_dir=folder, callbacks=["throughput"])
        shares = trainer.run.summary["time_shares"]
        of_ours = {name: shares.get(name, 0.0) for name in DEFAULTS}
        told = ", ".join(f"{name} {share:.2%}" for name, share in of_ours.items())
        print(f"shares of one run         {sum(of_ours.values()):8.2%}: {told}")
        start = time.perf_counter()
        Plots().on_fit_end(trainer)
        print(f"the curves, once          {time.perf_counter() - start:8.3f} s")
        switches = dict.fromkeys(PANELS, True)
        trainer, _ = train(data, 2, runs_dir=folder, callbacks=[TensorBoard(**switches)])
        for name, seconds in trainer.run.summary["tensorboard_seconds"].items():
            each = seconds if name in ("graph", "embeddings") else seconds / 2
            per = "a training" if name in ("graph", "embeddings") else "an epoch"
            print(f"TensorBoard {name:<14}{1000 * each:8.1f} ms {per}")


if __name__ == "__main__":
    main()
