"""Every function that returns a figure, called with a little data, for tests of all figures."""

import numpy as np

from firstlight import models
from firstlight.tools import figures

RNG = np.random.default_rng(0)
GRID = np.linspace(0, 1, 30)
IMAGES = RNG.random((10, 8, 8, 1))
TARGET = np.arange(60) % 3
SCORES = RNG.dirichlet(np.ones(3), 60) + np.eye(3)[TARGET]
PROBABILITIES = SCORES / SCORES.sum(axis=1, keepdims=True)
NAMES = ["cat", "dog", "sheep"]
DIGITS = list(map(str, range(10)))
RECORDS = [
    {
        "step": 10 * epoch,
        "epoch": epoch,
        "time": float(epoch),
        "epoch_seconds": 1.0,
        "train_loss": 1 / epoch,
        "val_loss": 1.1 / epoch,
        "val_acc": 1 - 0.5 / epoch,
        "lr": 0.1 / epoch,
        "grad_norm/body.0": 1 / epoch,
        "grad_norm/body.2": 2 / epoch,
        "output_std/body.0": 1.0 + epoch,
    }
    for epoch in range(1, 13)
]
CURVES = {"narrow": (GRID, GRID**2), "wide": (GRID, GRID**3)}
SEEDS = {name: [(x, y), (x, y + 0.1)] for name, (x, y) in CURVES.items()}
TRIALS = {"lr": [0.1, 0.01, 0.001, 0.3], "norm": ["none", "batch", "none", "batch"]}
RESULTS = [0.4, 0.2, 0.5, 0.9]

DRAWN = {
    "attention_maps": lambda: figures.attention_maps(
        np.tril(RNG.random((4, 12, 12))), list("hello, world")
    ),
    "bands": lambda: figures.bands({"val_loss": SEEDS, "val_acc": SEEDS}),
    "calibration": lambda: figures.calibration(TARGET, PROBABILITIES, NAMES),
    "coefficients": lambda: figures.coefficients([[1, -2], [3, 0.5, -9, 4]], ["M = 1", "M = 3"]),
    "confusion_matrix": lambda: figures.confusion_matrix(RNG.integers(0, 99, (10, 10)), DIGITS),
    "curves": lambda: figures.curves(RECORDS, shares={"forward": 0.6, "backward": 0.4}),
    "decision_boundary": lambda: figures.decision_boundary(
        GRID, GRID, RNG.dirichlet(np.ones(3), (30, 30)), RNG.random((60, 2)), TARGET, NAMES
    ),
    "distributions": lambda: figures.distributions(
        [0, 1, 2], {f"body.{i}": np.sort(RNG.random((3, 9))) for i in range(4)}
    ),
    "embedding": lambda: figures.embedding(RNG.random((60, 2)), TARGET, NAMES, title="PCA"),
    "error_curves": lambda: figures.error_curves(
        GRID, {"training": GRID, "validation": 1 - GRID}, xlabel="degree", best=0.5
    ),
    "feature_maps": lambda: figures.feature_maps(RNG.random((8, 8, 16)), title="conv1"),
    "filters": lambda: figures.filters(RNG.standard_normal((16, 5, 5, 1))),
    "fitted_curves": lambda: figures.fitted_curves(
        GRID, GRID, GRID, [GRID, GRID**2, GRID**3], ["M = 1", "M = 2", "M = 3"], truth=GRID
    ),
    "histograms": lambda: figures.histograms({f"body.{i}.weight": RNG.random(99) for i in (0, 2)}),
    "image_grid": lambda: figures.image_grid(IMAGES, DIGITS, title="ten digits"),
    "importance_bars": lambda: figures.importance_bars({"lr": 0.8, "norm": 0.2}),
    "landscape": lambda: figures.landscape(GRID, np.add.outer(GRID**2, GRID**2) + 0.1),
    "layer_courses": lambda: figures.layer_courses(RECORDS),
    "layer_times": lambda: figures.layer_times(
        ["Linear", "ReLU"], {"CPU": {"launches": [1, 1], "memory": [0.5, 3]}}, {"CPU": [1, 2]}
    ),
    "mistakes": lambda: figures.mistakes(
        IMAGES, np.arange(10) % 3, RNG.dirichlet(np.ones(3), 10), NAMES
    ),
    "network_diagram": lambda: figures.network_diagram(
        models.GPT(11, 8, n_layer=3, n_head=2, n_embd=8), np.zeros((2, 8), "int64"), title="GPT"
    ),
    "occlusion": lambda: figures.occlusion(IMAGES, RNG.random((10, 8, 8)), DIGITS),
    "overlay": lambda: figures.overlay({"val_loss": CURVES, "val_acc": CURVES}, smoothing=0.5),
    "parallel_coordinates": lambda: figures.parallel_coordinates(RESULTS, TRIALS, log=["lr"]),
    "precision_recall_curves": lambda: figures.precision_recall_curves(
        TARGET, PROBABILITIES, NAMES
    ),
    "predictions": lambda: figures.predictions(GRID, GRID, GRID**2),
    "roc_curves": lambda: figures.roc_curves(TARGET, PROBABILITIES, NAMES),
    "saliency": lambda: figures.saliency(IMAGES, RNG.standard_normal((10, 8, 8, 1)), DIGITS),
    "search_progress": lambda: figures.search_progress(RESULTS),
    "slices": lambda: figures.slices(RESULTS, TRIALS, log=["lr"]),
    "spread": lambda: figures.spread(GRID, [[GRID, GRID**2]], ["M = 1"], truth=GRID),
}
