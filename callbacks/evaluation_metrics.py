"""Metrics: compute metrics by name, such as F1 and AUC, in validations and tests."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

from firstlight.callback import Callback, Role
from firstlight.metrics.metric import Metric
from firstlight.module import Module
from firstlight.support.step_output import StepOutput
from firstlight.trainer import Trainer
from firstlight.training import named_metrics


class Metrics(Callback):
    """Compute metrics over all predictions of a validation or test.

    ``Trainer(metrics=[...])`` adds this callback. Its results, such as ``val_f1`` and ``test_f1``,
    are logged beside the loss, so that other callbacks can monitor them. Over several ranks the
    states are merged, so that they are those of one process. On a GPU nothing waits for the device
    before the validation ends. If the data have several named sets, each set also has its own
    results, such as ``val_f1/clean``.

    Parameters
    ----------
    names : list of str or Metric
        See `firstlight.metrics` and `firstlight.training.named_metrics.metric`.

    Raises
    ------
    KeyError
        An unknown name.
    ValueError
        A name given twice, or that of a metric which the loss has already.

    Examples
    --------
    >>> from firstlight.callbacks import Metrics
    >>> from firstlight.testing import tiny_trainer
    >>> trainer = tiny_trainer([Metrics(["f1", "auc"])])
    >>> sorted(name for name in trainer.metrics if name.startswith("val"))
    ['val_acc', 'val_auc', 'val_f1', 'val_loss']
    """

    role = Role.WRITER
    in_sanity_pass = True  # so that a metric that does not fit the model is an error at once

    def __init__(self, names: list[str]) -> None:
        self._metrics = named_metrics.metrics(names)
        self._current: dict[str, list[Metric]] = {}  # by name of the data; "" of all sets

    def on_validation_start(self) -> None:
        """Start from empty states."""
        self._current = {"": copy.deepcopy(self._metrics)}

    def on_validation_batch_end(
        self, module: Module, output: StepOutput, batch: Any, data_name: str
    ) -> None:
        """Add the predictions of a batch."""
        if data_name not in self._current:
            self._current[data_name] = copy.deepcopy(self._metrics)
        weighted = output.dloss is not None  # a batch (x, y, w)
        prediction, target = named_metrics.observed(module, output, batch)
        for metric in chain.from_iterable(self._current[name] for name in {"", data_name}):
            if weighted:
                named_metrics.update(metric, prediction, target, batch[2])
            else:
                metric.update(prediction, target)

    def on_validation_end(self, trainer: Trainer, metrics: dict[str, float], stage: str) -> None:
        """Merge the states of all ranks, in their order, and add the results to the metrics."""
        mine = {n: [one.to_host() for one in states] for n, states in self._current.items()}
        by_rank = trainer.communicator.gather(mine)
        for data_name in dict.fromkeys(chain.from_iterable(by_rank)):
            end = f"/{data_name}" if data_name else ""
            states = [rank[data_name] for rank in by_rank if data_name in rank]
            for metric, *others in zip(*states, strict=True):
                for other in others:
                    metric.merge(other)
                name = f"{stage}_{metric.name}{end}"
                if name in metrics:
                    raise ValueError(
                        f"metrics: {name!r} is a metric of the loss or of the data already; leave "
                        "it out, or give it another name"
                    )
                metrics[name] = metric.compute()
        self._current = {}
