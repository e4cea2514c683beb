"""Metrics by name, and the predictions and targets that they take from a step."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight import nn, plugins
from firstlight.metrics.class_counts import AVERAGES
from firstlight.metrics.metric import Metric
from firstlight.support.array import Array
from firstlight.support.import_paths import UnknownNameError

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.support.step_output import StepOutput

SUFFIX = re.compile(rf"(\w+)_({'|'.join(AVERAGES[1:])})")  # f1_macro


def metric(item: object) -> Metric:
    """Return a metric by name, or the given object.

    Parameters
    ----------
    item : str or Metric
        A registered name. ``top1``, ``top2``, ... are `TopK`, and
        ``f1_macro``, ``f1_micro``, ... `F1` with this ``average``; so with the other averages.

    Raises
    ------
    KeyError
        The name is unknown.
    TypeError
        It is no metric.
    """
    registry = plugins.registry("metric")
    if isinstance(item, str):
        item = item.strip()
        top, averaged = re.fullmatch(r"top([1-9]\d*)", item), SUFFIX.fullmatch(item)
        if top:
            made = registry.get("top5")(int(top[1]))
        elif averaged and averaged[1] in ("precision", "recall", "f1"):
            made = registry.get(averaged[1])(averaged[2])
        elif item == "acc" and item not in registry.names():
            raise UnknownNameError(
                "metrics: 'acc' needs no name here, as the loss of a classification logs val_acc; "
                "'accuracy' computes it for a model with a step of its own"
            )
        else:
            made = registry.get(item)()
    elif inspect.isclass(item) and issubclass(item, Metric):
        raise TypeError(f"metrics: got the class {item.__name__}; write {item.__name__}()")
    else:
        made = item
    if not isinstance(made, Metric):
        raise TypeError(
            f"metrics: expected names or objects of firstlight.metrics.Metric, got {item!r}"
        )
    return made


def metrics(items: str | Iterable[object]) -> list[Metric]:
    """Return metrics by name or as they are; a string is a list with commas.

    Raises
    ------
    ValueError
        Two of them have the same name.
    """
    items = items.split(",") if isinstance(items, str) else items
    if not hasattr(items, "__iter__"):
        raise TypeError(f'metrics: expected a list such as ["f1", "auc"], got {items!r}')
    found = [metric(item) for item in items]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"metrics: {name!r} is there {names.count(name)} times; leave one out, or give "
                "one of the objects another name"
            )
    return found


def update(metric: Metric, prediction: Array, target: Array, weight: Array) -> None:
    """Add a batch with sample weights to a metric.

    Raises
    ------
    TypeError
        The metric takes no weights.
    ValueError
        The weights have not shape (N,).
    """
    if "sample_weight" not in inspect.signature(metric.update).parameters:
        raise TypeError(
            f"metrics: {metric.name!r} takes no sample weights, and the batches (x, y, w) have "
            "some; write def update(self, prediction, target, sample_weight=None), or validate on "
            "batches (x, y)"
        )
    if weight.shape != target.shape[:1]:
        raise ValueError(
            f"metrics: {metric.name!r} expected one weight for each sample, shape "
            f"{target.shape[:1]}, got shape {weight.shape}"
        )
    metric.update(prediction, target, sample_weight=weight)


def observed(module: Module, output: StepOutput, batch: Any) -> tuple[Array, Array]:
    """Return the prediction and target of a batch as metrics take them.

    Labels that a `CrossEntropyLoss` ignores become -1, and target probabilities the label of the
    highest. The logits of a `BCEWithLogitsLoss` become two scores, 0 and the logit, of the labels
    0 and 1; of several labels (N, L) each counts like a sample.

    Raises
    ------
    TypeError
        The step returns no prediction, or the batch has no target.
    """
    prediction, loss = output.prediction, getattr(module, "loss", None)
    size = 2 if output.dloss is None else 3
    if prediction is None or not isinstance(batch, tuple) or len(batch) != size:
        raise TypeError(
            "metrics: expected batches (x, y) and a prediction; end "
            f"{type(module).__name__}.validation_step with: "
            "return StepOutput(loss, metrics=..., prediction=y)"
        )
    target = batch[1]
    if isinstance(loss, nn.BCEWithLogitsLoss):
        if prediction.ndim > 1 and prediction.shape[-1] == 1:
            prediction, target = prediction[..., 0], target[..., 0]
        return np.stack([np.zeros_like(prediction), prediction], axis=-1), (target > 0.5) * 1
    if isinstance(loss, nn.CrossEntropyLoss):
        if target.shape == prediction.shape:
            return prediction, target.argmax(axis=-1)
        label = target.astype("int64")
        return prediction, np.where(label == loss.ignore_index, -1, label)
    return prediction, target
