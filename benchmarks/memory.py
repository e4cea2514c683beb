"""Whether a long training keeps its memory: resident size every 500 steps.

python benchmarks/memory.py
"""

import os
import tempfile
from pathlib import Path

import numpy as np

import firstlight as fl

STEPS, EVERY = 5000, 500


class Memory(fl.Callback):
    """Notes the resident memory of the process, in MB."""

    def __init__(self):
        self.sizes = {}

    def on_train_batch_end(self, trainer):
        if trainer.step % EVERY == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.sizes[trainer.step] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(12_800, 784)), rng.integers(0, 10, 12_800)
    memory = Memory()
    with tempfile.TemporaryDirectory() as folder:
        trainer = fl.Trainer(max_steps=STEPS, callbacks=[memory], runs_dir=folder)
        trainer.fit(fl.models.MLP(784, 10, hidden=(512, 256)), data)
    for step, size in memory.sizes.items():
        print(f"step {step:5d}  {size:7.1f} MB  {size - memory.sizes[EVERY]:+5.1f}")


if __name__ == "__main__":
    main()
