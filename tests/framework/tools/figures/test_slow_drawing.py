"""A figure that a busy machine draws slowly is drawn without a warning about its legend."""

import itertools

import matplotlib.legend
import numpy as np
import pytest

from firstlight.tools import figures

GRID = np.linspace(0, 1, 20)
RECORDS = [{"step": 1, "epoch": 1, "time": 1.0, "train_loss": 1.0, "val_loss": 0.5}]
DRAWN = {
    "curves": lambda: figures.curves(RECORDS),
    "predictions": lambda: figures.predictions(GRID, GRID, GRID),
    "fitted_curves": lambda: figures.fitted_curves(GRID, GRID, GRID, [GRID], ["a"]),
    "error_curves": lambda: figures.error_curves(GRID, {"training": GRID}, xlabel="degree"),
    "spread": lambda: figures.spread(GRID, [[GRID]], ["a"], truth=GRID),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_legend_takes_its_time(name, monkeypatch, tmp_path):
    clock = itertools.count(0, 10)  # each look at the clock is ten seconds later
    monkeypatch.setattr(matplotlib.legend.time, "perf_counter", lambda: next(clock))
    figures.save(DRAWN[name](), tmp_path / "figure.png")
