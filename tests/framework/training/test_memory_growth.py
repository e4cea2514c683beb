"""A long training keeps its memory."""

import os
from pathlib import Path

import pytest

import firstlight as fl

STATM = Path("/proc/self/statm")


class Resident(fl.Callback):
    """Notes the resident memory of the process, in MB, every 500 steps."""

    def __init__(self):
        self.sizes = []

    def on_train_batch_end(self, trainer):
        if trainer.step % 500 == 0:
            pages = int(STATM.read_text().split()[1])
            self.sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell resident memory so")
def test_memory_stays_flat_over_5000_steps(line, line_data):
    resident = Resident()
    fl.Trainer(max_steps=5000, callbacks=[resident]).fit(line(), line_data, line_data)
    assert len(resident.sizes) == 10
    assert max(resident.sizes) - resident.sizes[0] < 5
