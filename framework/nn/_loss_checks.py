"""Checks of the losses: their arguments, predictions and targets."""

from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.half import is_half


def check_reduction(loss: Any, reduction: str, *others: str) -> None:
    """Raise a ValueError unless the reduction is "mean", "sum" or "none", or one of the others."""
    if reduction not in ("mean", "sum", "none", *others):
        known = ", ".join(f'"{one}"' for one in (*others, "mean", "sum"))
        raise ValueError(f'{_name(loss)}: expected reduction {known} or "none", got {reduction!r}')


def check_positive(loss: Any, **values: float) -> None:
    """Raise a ValueError unless the values, arguments by name, are above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{_name(loss)}: expected {name} above 0, got {value}")


def check_fraction(loss: Any, **values: float) -> None:
    """Raise a ValueError unless the values, arguments by name, are from 0 to 1."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{_name(loss)}: expected {name} from 0 to 1, got {value}")


def check_dloss(loss: Any, dloss: Any, losses: Array) -> Any:
    """Return dloss: a number, or an array of the dtype of ``losses``.

    Parameters
    ----------
    loss : Module
        With the attribute ``reduction``.
    dloss : float or array
    losses : array
        Any array of the shape of the losses before their reduction.

    Raises
    ------
    ValueError
        ``dloss`` is neither a number nor, for the reduction "none", of the losses' shape.
    """
    if not hasattr(dloss, "dtype"):  # a number of Python
        return dloss
    if dloss.ndim and (loss.reduction != "none" or dloss.shape != losses.shape):
        each = f" or one for each loss, shape {losses.shape}" if loss.reduction == "none" else ""
        raise ValueError(
            f"{_name(loss)}.backward: expected dloss as one number{each}, got shape "
            f"{dloss.shape}; this loss has reduction={loss.reduction!r}"
        )
    return dloss.astype(losses.dtype, copy=False)


def check_prediction(loss: Any, prediction: Array, target: Array) -> None:
    """Raise unless prediction is a floating array, target an array, and neither is empty."""
    for name, array in (("prediction", prediction), ("target", target)):
        if not hasattr(array, "dtype"):
            raise TypeError(
                f"{_name(loss)}: expected {name} as an array, got {type(array).__name__}; "
                f"pass np.asarray({name})"
            )
    if prediction.dtype.kind != "f" and not is_half(prediction):
        raise TypeError(
            f"{_name(loss)}: expected floating-point prediction, got {prediction.dtype}; the "
            "order is loss(prediction, target)"
        )
    if prediction.size == 0:
        raise ValueError(
            f"{_name(loss)}: expected at least one sample, got an empty batch: prediction has "
            f"shape {prediction.shape}"
        )


def check_same_shape(loss: Any, prediction: Array, target: Array) -> None:
    """Raise as `check_prediction` does, and a ValueError unless both shapes are equal."""
    check_prediction(loss, prediction, target)
    if prediction.shape != target.shape:
        cure = "the model's output and the targets must fit value by value"
        if prediction.size == target.size:
            cure = (
                f"they would broadcast, pairing every sample with every other: "
                f"use y.reshape({', '.join(map(str, (-1, *prediction.shape[1:])))})"
            )
        raise ValueError(
            f"{_name(loss)}: expected target of prediction's shape {prediction.shape}, "
            f"got {target.shape}; {cure}"
        )


def check_embeddings(loss: Any, **arrays: Array) -> None:
    """Raise unless the arrays, arguments by name, are floating, of one shape (N, ..., d), N > 0."""
    first, *_ = arrays.values()
    for name, array in arrays.items():
        if getattr(getattr(array, "dtype", None), "kind", "") != "f" and not is_half(array):
            found = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"{_name(loss)}: expected {name} as a floating array, got {found}")
        if array.shape != first.shape or array.ndim < 2 or not array.size:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in arrays.items())
            raise ValueError(
                f"{_name(loss)}: expected {' and '.join(arrays)} of one shape (N, d), with N "
                f"samples of 1 or more, got {shapes}"
            )


def pair_of(loss: Any, prediction: Any, names: str) -> tuple[Any, Any]:
    """Return a prediction that is a pair; raise a TypeError for any other."""
    if not isinstance(prediction, (tuple, list)) or len(prediction) != 2:
        found = type(prediction).__name__
        raise TypeError(
            f"{_name(loss)}: expected the pair ({names}) and a target, or three arrays, got a "
            f"prediction of type {found}; return both from the model's forward"
        )
    return tuple(prediction)


def check_binary(loss: Any, target: Array) -> None:
    """Raise a ValueError unless all targets are from 0 to 1; NumPy arrays only."""
    if isinstance(target, np.ndarray) and not (target.min() >= 0 and target.max() <= 1):
        raise ValueError(
            f"{_name(loss)}: expected targets from 0 to 1, got {target.min()} to "
            f"{target.max()}; map them to 0 and 1, or use CrossEntropyLoss for class indices"
        )


def check_class_weights(loss: Any, classes: int | None = None) -> None:
    """Raise a ValueError unless ``loss.weight`` is None or has shape (C,); C may be given."""
    if loss.weight is None:
        return
    shape = loss.weight.data.shape
    if len(shape) != 1:
        raise ValueError(
            f"{_name(loss)}: expected weight with one number for each class, shape (C,), got "
            f"shape {shape}"
        )
    if classes not in (None, *shape):
        raise ValueError(
            f"{_name(loss)}: expected {classes} class weights, as prediction has classes, got "
            f"{shape[0]}"
        )


def check_classes(loss: Any, prediction: Array, target: Array, ignore_index: int) -> None:
    """Raise unless target holds a class, or probabilities of all classes, for each row of logits.

    Their values are checked in NumPy arrays only: reading them from a GPU would synchronize.
    """
    if not prediction.ndim:
        raise ValueError(
            f"{_name(loss)}: expected prediction of shape (..., C), a logit for each class, "
            "got one number, of shape (); use BCEWithLogitsLoss for yes-or-no questions"
        )
    if prediction.ndim > 1 and target.shape == prediction.shape:
        _check_probabilities(loss, target)
        return
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{_name(loss)}: expected integer class labels of shape {prediction.shape[:-1]}, got "
            f"{target.dtype}; cast with y.astype('int64'), or use MSELoss for regression"
        )
    if target.shape != prediction.shape[:-1]:
        raise ValueError(
            f"{_name(loss)}: expected target of shape {prediction.shape[:-1]} for prediction "
            f"{prediction.shape}, got {target.shape}; the classes are prediction's last axis, and "
            "target has one label for each row of it"
        )
    if isinstance(target, np.ndarray):
        _check_range(loss, target, prediction.shape[-1], ignore_index)


def _check_probabilities(loss, q):
    """Raise unless q (..., C) holds floats, 0 or more and 1 in sum for each row."""
    if q.dtype.kind != "f" and not is_half(q):
        raise TypeError(
            f"{_name(loss)}: expected class indices of shape {q.shape[:-1]}, or probabilities as "
            f"floats, got one-hot targets of dtype {q.dtype}; pass class indices: y.argmax(-1)"
        )
    if not isinstance(q, np.ndarray):
        return
    sums = q.sum(axis=-1)
    if not (q.min() >= 0 and np.abs(sums - 1).max() <= 1e-2):  # NaN is neither
        raise ValueError(
            f"{_name(loss)}: expected class probabilities, 0 or more and 1 in sum for each row, "
            f"got values from {q.min():.3g} to {q.max():.3g} with sums from {sums.min():.3g} to "
            f"{sums.max():.3g}; use MSELoss for regression"
        )


def _check_range(loss, t, classes, ignore_index):
    """Raise a ValueError unless the labels that are not ignored are from 0 to classes - 1."""
    if t.min() >= 0 and t.max() < classes:
        return
    t = t[t != ignore_index]
    if t.size and (t.min() < 0 or t.max() >= classes):
        raise ValueError(
            f"{_name(loss)}: expected labels from 0 to {classes - 1}, as prediction has {classes} "
            f"classes, got labels from {t.min()} to {t.max()}; number the classes from 0, give "
            "the model one output for each class, or set ignore_index to the label to leave out"
        )


def total_weight(losses: Array, weight: Array | None) -> Any:
    """Return the sum of the losses' weights; without weights, their number."""
    return losses.size if weight is None else weight.sum(dtype="float64")


def weighted_mean(values: Array, weight: Array) -> Any:
    """Return the mean of values with weights; 0 if all weights are."""
    total = weight.sum()
    return (weight * values).sum() / (total + (total == 0))


def _name(loss):
    return type(loss).__name__
