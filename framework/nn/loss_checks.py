"""What losses ask of their arguments, each message says what to do; and how they reduce."""

import numpy as np


def reduced(loss, losses, total):
    """Return Σ losses / total, or, without a reduction, the losses themselves."""
    return losses if loss.reduction == "none" else losses.sum() / total


def share_of(loss, dloss, total, shape):
    """Return what backward multiplies by: dloss / total, or, without a reduction, all dloss."""
    if np.ndim(dloss) and (loss.reduction != "none" or dloss.shape != shape):
        or_each = f" or one for each loss, shape {shape}" if loss.reduction == "none" else ""
        raise ValueError(
            f"{type(loss).__name__}.backward: expected dloss as one number{or_each}, got shape "
            f"{dloss.shape}; this loss has reduction={loss.reduction!r}"
        )
    return dloss if loss.reduction == "none" else dloss / total


def check_reduction(who, reduction):
    """Raise a ValueError unless the reduction is "mean", "sum" or "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{who}: expected reduction "mean", "sum" or "none", got {reduction!r}')


def check_arrays(who, prediction, target):
    """Raise unless prediction is a floating array, target an array, and neither is empty."""
    for name, array in (("prediction", prediction), ("target", target)):
        if not hasattr(array, "dtype"):
            raise TypeError(
                f"{who}: expected {name} as an array, got {type(array).__name__}; "
                f"pass np.asarray({name})"
            )
    if prediction.dtype.kind != "f":
        raise TypeError(
            f"{who}: expected floating-point prediction, got {prediction.dtype}; the order is "
            "loss(prediction, target)"
        )
    if prediction.size == 0:
        raise ValueError(
            f"{who}: expected at least one sample, got an empty batch: prediction has shape "
            f"{prediction.shape}"
        )


def check_same_shape(who, prediction, target):
    """Raise as `check_arrays` does, and a ValueError unless both shapes are equal."""
    check_arrays(who, prediction, target)
    if prediction.shape != target.shape:
        cure = "the model's output and the targets must fit value by value"
        if prediction.size == target.size:
            cure = (
                f"they would broadcast, pairing every sample with every other: "
                f"use y.reshape({', '.join(map(str, (-1, *prediction.shape[1:])))})"
            )
        raise ValueError(
            f"{who}: expected target of prediction's shape {prediction.shape}, "
            f"got {target.shape}; {cure}"
        )
