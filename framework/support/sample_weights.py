"""Sample weights: loss and metrics of a batch ``(x, y, w)``, weighted means over its samples.

Formula, for the unreduced losses l_n of the samples, their weights w_n, and the denominators d_n
with which the loss itself averages (1, or the class weight of the label, 0 if it is ignored)::

    L = Σ_n w_n l_n / D         D = Σ_n w_n d_n for "mean", 1 for "sum"

Gradient::

    dL/dl_n = w_n / D

Only the ratios of the weights matter for a mean: weights of 1, or of 5, give the loss without
weights. PyTorch divides by the sum of the weights too (``CrossEntropyLoss(weight)``,
``functional.mse_loss(weight=)``), and so does Keras in weighted metrics and with the reduction
"mean_with_sample_weight". Keras' default reduction divides by the number of samples.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.step_output import StepOutput, denominators


def weighted_output(
    loss: Any, prediction: Array, target: Array, weight: Array, *, metrics: bool = True
) -> StepOutput:
    """Return the `StepOutput` of a batch with sample weights.

    Parameters
    ----------
    loss : Module
        A loss of reduction "mean" or "sum" that can also return unreduced losses.
    prediction, target : array
    weight : array, shape (N,)
        Or (N, ...), with a weight for each of the unreduced losses, such as those of tokens.
    metrics : bool
        Whether to compute the loss's metrics.

    Returns
    -------
    StepOutput
        Its ``dloss`` is dL/dl, for `backward`.

    Raises
    ------
    TypeError
        The loss cannot take sample weights.
    ValueError
        Weights of another shape, or below 0 (checked in NumPy arrays only).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.support.sample_weights import backward, weighted_output
    >>> loss, x, y = nn.MSELoss(), np.array([1.0, 2.0]), np.array([0.0, 0.0])
    >>> output = weighted_output(loss, x, y, np.array([3.0, 1.0]))
    >>> print(output.loss, output.dloss, backward(loss, output.dloss))
    1.75 [0.75 0.25] [1.5 1. ]
    """
    _check_loss(loss)
    with _unreduced(loss):
        losses = loss(prediction, target)  # (N, ...)
    w = _spread(loss, weight, losses)  # (N, ...)
    totals = denominators(loss, prediction, target, w)
    if "loss" not in totals:  # a loss that knows nothing of denominators
        totals["loss"] = w.sum(dtype="float64") if loss.reduction == "mean" else None
    D = _nonzero(totals["loss"], losses.dtype)
    found = {}
    if metrics and hasattr(loss, "metrics"):
        found = loss.metrics(prediction, target, sample_weight=w)
        totals = {name: w.sum(dtype="float64") for name in found} | totals
    return StepOutput((w * losses).sum() / D, None, found, prediction, totals, dloss=w / D)


def backward(loss: Any, dloss: Array) -> Array:
    """Return the gradient at the prediction, from the ``dloss`` of `weighted_output`."""
    with _unreduced(loss):
        return loss.backward(dloss)


@contextmanager
def _unreduced(loss: Any) -> Iterator[None]:
    """Set the loss's reduction to "none" meanwhile."""
    reduction, loss.reduction = loss.reduction, "none"
    try:
        yield
    finally:
        loss.reduction = reduction


def _nonzero(total, dtype):
    """Return D in the dtype of the losses; 1 for a sum, and where it is 0."""
    if total is None:
        return 1
    total = total + (total == 0)  # no `if`: the host would wait for the GPU
    return total.astype(dtype) if hasattr(total, "astype") else float(total)


def _spread(loss, weight, losses):
    """Return the weights, one for each of the losses, in their dtype."""
    who = type(loss).__name__
    if not getattr(losses, "ndim", 0) or len(losses) != len(weight):
        raise TypeError(
            f"{who} cannot take sample weights: with reduction 'none' its forward returned shape "
            f"{np.shape(losses)} in place of one loss for each of {len(weight)} samples; write "
            f"a training_step of your own"
        )
    if not weight.ndim or weight.shape != losses.shape[: weight.ndim]:
        raise ValueError(
            f"{who}: expected sample weights of shape {losses.shape[:1]}, one for each sample, got "
            f"shape {weight.shape}; in a batch (x, y, w) the third array are weights"
        )
    if isinstance(weight, np.ndarray) and not weight.min() >= 0:
        raise ValueError(f"{who}: expected sample weights of 0 or more, got {weight.min()}")
    w = weight.astype(losses.dtype, copy=False)
    return np.broadcast_to(w.reshape(w.shape + (1,) * (losses.ndim - w.ndim)), losses.shape)


def _check_loss(loss):
    """Raise a TypeError unless a loss has a reduction, and metrics that take weights."""
    who, reduction = type(loss).__name__, getattr(loss, "reduction", None)
    if reduction not in ("mean", "batchmean", "sum"):
        raise TypeError(
            f"{who} cannot take sample weights, the third array of a batch (x, y, w): expected a "
            f"loss with reduction 'mean' or 'sum', got {reduction!r}; use a loss of firstlight.nn, "
            "give yours the attribute reduction and, where it is 'none', return one loss for each "
            "sample, or write a training_step of your own"
        )
    for method in ("metrics", "denominators"):
        if hasattr(loss, method) and not _takes_weights(getattr(type(loss), method)):
            raise TypeError(
                f"{who} cannot take sample weights, the third array of a batch (x, y, w): write "
                f"def {method}(self, prediction, target, sample_weight=None)"
            )


@functools.cache
def _takes_weights(method):
    return "sample_weight" in inspect.signature(method).parameters
