"""What a checkpoint every 50 steps adds to a step: MLP 784-512-256-10, batch 128, Adam.

Trainings with and without alternate; the figure is the ratio of the median times of a whole
training, so that the copies, the writing beside the training and its last wait all count.

    python benchmarks/checkpointing.py
"""

import statistics
import tempfile
import time

import numpy as np

import firstlight as fl

ROUNDS, STEPS = 7, 1_500


def seconds(data, *callbacks):
    with tempfile.TemporaryDirectory() as folder:
        trainer = fl.Trainer(
            max_steps=STEPS, callbacks=list(callbacks), default_callbacks=False, runs_dir=folder
        )
        model = fl.models.MLP(784, 10, hidden=(512, 256))
        start = time.perf_counter()
        trainer.fit(model, fl.DataLoader(data, 128))
        return time.perf_counter() - start


def main():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(12_800, 784)).astype("float32"), rng.integers(0, 10, 12_800)
    seconds(data)  # warm up
    without, with_them = [], []
    for _ in range(ROUNDS):
        without.append(seconds(data))
        checkpoint = fl.callbacks.ModelCheckpoint(top_k=0, every_n_steps=50)
        with_them.append(seconds(data, checkpoint))
    for name, values in (("without", without), ("every 50 steps", with_them)):
        median = 1e3 * statistics.median(values) / STEPS
        low, high = 1e3 * min(values) / STEPS, 1e3 * max(values) / STEPS
        print(f"{name:<16}{median:6.3f} ms a step ({low:.3f} to {high:.3f}, {ROUNDS} runs)")
    print(f"{'ratio':<16}{statistics.median(with_them) / statistics.median(without):6.3f}")


if __name__ == "__main__":
    main()
