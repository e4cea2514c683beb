"""SampleResults: keep the results of single test samples, so that runs can be compared fairly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from firstlight import nn
from firstlight.callback import Callback
from firstlight.metrics import Accuracy
from firstlight.module import Module
from firstlight.runs import sample_results
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import forgiving
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer
from firstlight.training.named_metrics import observed

LOSSES = (
    *(nn.BCEWithLogitsLoss, nn.CrossEntropyLoss, nn.NLLLoss),
    *(nn.HuberLoss, nn.L1Loss, nn.MSELoss),
)
WIDEST = 4096  # numbers predicted for a sample, up to which they are kept
CLOSE = 1e-4  # relative difference of a loss from the one that was logged


class SampleResults(Callback):
    """Write ``test_samples.npz`` into the run's folder after each test of the run's model.

    It holds the prediction, target and loss of each test sample, see
    `firstlight.runs.sample_results`, from which ``firstlight runs compare`` and reports compute
    intervals, and compare runs sample by sample. It is a default callback. There is no such file if
    the steps return no prediction, or if batches are not ``(x, y)``, as with sample weights.

    Parameters
    ----------
    folder : path-like, optional
        Where to write instead of the folder of the Trainer's run.
    """

    watcher = True

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = folder
        self._parts: list[dict[str, Array]] = []
        self._known = True
        self._bytes = 0  # of predictions and targets so far

    def on_test_start(self) -> None:
        """Start with no results."""
        self._parts, self._known, self._bytes = [], True, 0

    def on_test_batch_end(self, module: Module, output: StepOutput, batch: Any) -> None:
        """Keep the results of a batch, on the device."""
        self._known = self._known and output.dloss is None
        if not self._known:
            return
        try:
            prediction, target = observed(module, output, batch)
        except (TypeError, AttributeError):  # of a step of another kind
            prediction = target = None
        self._known = _is_by_sample(prediction, target)
        if not self._known:
            return
        part = {"target": target.copy()}
        self._bytes += prediction.nbytes + target.nbytes
        if prediction[0].size > WIDEST or self._bytes > sample_results.LARGEST:
            for earlier in self._parts:
                earlier.pop("prediction", None)  # it would fill the device, and is not kept
        else:
            part["prediction"] = prediction.copy()
        if _is_classified(prediction, target):
            part["acc"] = Accuracy().terms(prediction, target)
        if type(module.loss) in LOSSES:
            part["loss"] = _losses(module.loss, output.prediction, batch[1])
        self._parts.append(part)

    def on_test_end(self, trainer: Trainer, module: Module, metrics: dict[str, float]) -> None:
        """Join the results of all batches and ranks, and write them."""
        mine = [{n: to_host(array) for n, array in part.items()} for part in self._parts]
        by_rank, known = zip(*trainer.communicator.gather((mine, self._known)), strict=True)
        self._parts = []
        folder = self.folder
        if folder is None and trainer.loop is not None and module is trainer.loop.module:
            folder = None if trainer.run is None else trainer.run.path
        if folder is None or not all(known) or not trainer.is_global_zero:
            return
        longest = max(map(len, by_rank))
        parts = [parts[i] for i in range(longest) for parts in by_rank if i < len(parts)]
        if not parts:
            return
        names = set.intersection(*map(set, parts))
        results = {name: np.concatenate([part[name] for part in parts]) for name in names}
        for name in ("loss", "acc"):
            if name in results and not _is_mean(results[name], metrics.get(f"test_{name}")):
                del results[name]  # of a loss with class weights, or of a step of its own
        with forgiving("the results of single test samples"):
            sample_results.write(folder, results)


def _is_by_sample(prediction, target):
    """Return whether there is one prediction and one target for each sample of a batch."""
    shapes = getattr(prediction, "shape", ()), getattr(target, "shape", ())
    return all(shapes) and len(prediction) == len(target) > 0


def _is_classified(prediction, target):
    return target.dtype.kind in "biu" and prediction.shape[:-1] == target.shape


def _losses(loss, prediction, target):
    """Return the sum of each sample's losses, and how many values they are of, shape (N, 2)."""
    reduction, loss.reduction = loss.reduction, "none"
    try:
        losses = loss(prediction, target)  # (N, ...)
    finally:
        loss.reduction = reduction
    counts = np.ones_like(losses, dtype="float64")
    if isinstance(loss, nn.CrossEntropyLoss) and target.shape == losses.shape:
        counts = counts * (target != loss.ignore_index)
    pair = np.stack([losses.astype("float64"), counts], axis=-1)  # (N, ..., 2)
    return pair.reshape(len(pair), -1, 2).sum(axis=1)


def _is_mean(terms, logged):
    """Return whether a metric that was logged is the mean of the samples' terms."""
    total, count = terms.sum(axis=0)
    return logged is not None and count > 0 and np.isclose(total / count, logged, rtol=CLOSE)
