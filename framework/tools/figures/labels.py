"""Checks of class labels and probabilities, which the figures of classifiers share."""

from collections.abc import Sequence

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.support.backend import to_host

IGNORED = -100  # the target that `CrossEntropyLoss` leaves out by default


def as_labels(who: str, target: Array) -> Array:
    """Return class labels as a NumPy array of int64, in which products cannot overflow.

    Raises
    ------
    TypeError
        They are not integers.
    """
    target = np.asarray(to_host(target))
    if target.dtype.kind not in "biu":
        raise TypeError(
            f"{who}: expected integer class labels, got {target.dtype}; cast with y.astype('int64')"
        )
    return target.astype("int64")


def ignored_by(module: Module) -> int:
    """Return the label that a module's loss leaves out."""
    return getattr(getattr(module, "loss", None), "ignore_index", IGNORED)


def checked_probabilities(
    who: str, target: Array, probabilities: Array, names: Sequence[str], ignored: int = IGNORED
) -> tuple[Array, Array]:
    """Return the labels (N,) and probabilities (N, C) of the samples that count, in float64.

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Shapes that do not fit, values that are not finite, labels outside 0 ... C - 1, or no
        samples.
    """
    target, probabilities = as_labels(who, target), np.asarray(to_host(probabilities), np.float64)
    if target.ndim != 1 or probabilities.shape != (len(target), len(names)):
        raise ValueError(
            f"{who}: expected targets (N,) and probabilities (N, {len(names)}), as there are "
            f"{len(names)} names, got shapes {target.shape} and {probabilities.shape}"
        )
    counts = target != ignored  # (N,)
    target, probabilities = target[counts], probabilities[counts]
    if not len(target):
        raise ValueError(f"{who}: expected one or more samples, got none")
    if target.min() < 0 or target.max() >= len(names):
        raise ValueError(
            f"{who}: expected classes from 0 to {len(names) - 1}, got {target.min()} to "
            f"{target.max()}"
        )
    if not np.isfinite(probabilities).all():
        bad = (~np.isfinite(probabilities)).any(axis=1).sum()
        raise ValueError(f"{who}: expected finite probabilities, got {bad} samples with others")
    return target, probabilities
