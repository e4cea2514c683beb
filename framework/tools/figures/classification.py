"""Figures of what a classifier predicts: confusion matrix and most confident mistakes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import page, plain
from firstlight.tools.figures.images import image_grid
from firstlight.tools.figures.labels import IGNORED, as_labels
from firstlight.tools.figures.style import widest
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 20  # with more classes no counts are written into the cells
LONG = 9  # letters of a class's name above an image


def confusion_counts(
    target: Array, predicted: Array, classes: int, *, ignore_index: int = IGNORED
) -> Array:
    """Count how often class i was predicted as class j, shape (classes, classes).

    Parameters
    ----------
    target, predicted : array of int, shape (N,)
    classes : int
    ignore_index : int
        Samples with this target are left out.

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Not as many predictions as targets, or labels outside 0 ... classes - 1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.figures import confusion_counts
    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    target, predicted = (as_labels("confusion_counts", y) for y in (target, predicted))
    if target.shape != predicted.shape or target.ndim != 1:
        raise ValueError(
            "confusion_counts: expected as many predicted classes as targets, each of shape (N,), "
            f"got {predicted.shape} and {target.shape}"
        )
    counts = target != ignore_index  # (N,)
    target, predicted = target[counts], predicted[counts]
    both = np.concatenate([target, predicted])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ValueError(
            f"confusion_counts: expected classes from 0 to {classes - 1}, got {both.min()} to "
            f"{both.max()}"
        )
    return np.bincount(target * classes + predicted, minlength=classes**2).reshape(classes, classes)


def confusion_matrix(counts: Array, names: Sequence[str], *, title: str = "") -> "Figure":
    """Show how often each class (row) was predicted as each class (column).

    A cell's shade is its share of the row, on a scale that shows small shares; the counts are
    written in, except zeros.

    Parameters
    ----------
    counts : array of int, shape (C, C)
        From `confusion_counts`.
    names : list of str
        Of the C classes.
    title : str
        By default the accuracy.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        Counts that are not square, or not as many names.
    """
    from matplotlib.colors import PowerNorm

    counts, given = np.asarray(counts), names
    if counts.ndim != 2 or counts.shape != (len(names), len(names)):
        raise ValueError(
            f"confusion_matrix: expected counts of shape {(len(names),) * 2} for {len(names)} "
            f"names, got {counts.shape}"
        )
    total, right = counts.sum(), np.trace(counts)
    said = say("{share} right, {wrong} of {total} wrong")
    share, wrong = f"{right / max(total, 1):.2%}", f"{total - right:,}"
    title = title or said.format(share=share, wrong=wrong, total=f"{total:,}")
    side = min(max(3.6, 0.46 * min(len(names), WRITTEN + 10) + 1.2), widest())
    figure = page(side, side, title)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (C, C)
    norm = PowerNorm(0.4, 0, 1)
    axes.imshow(shares, cmap="Blues", norm=norm)
    if len(names) <= WRITTEN:
        for i, j in np.argwhere(counts > 0):
            colour = "white" if norm(shares[i, j]) > 0.6 else "black"
            axes.text(j, i, counts[i, j], ha="center", va="center", fontsize=8, color=colour)
        inches = 0.08 * max(len(str(name)) for name in names)
        long = inches > (side - 1.2) / len(names)
        names = [plain(name) for name in names]
        axes.set_xticks(range(len(names)), names, rotation=90 if long else 0)
        axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(say("predicted class"))
    axes.set_ylabel(say("true class"))
    every = np.array(list(map(str, given)), object)
    i, j = np.indices(counts.shape).reshape(2, -1)
    table = {"true class": every[i], "predicted class": every[j], "count": counts.ravel()}
    keep_numbers(figure, "confusion", table)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    return figure


def worst_mistakes(
    target: Array, probabilities: Array, count: int = 24, *, ignore_index: int = IGNORED
) -> Array:
    """Return the indices of wrong predictions, those of the highest probability first.

    Parameters
    ----------
    target : array of int, shape (N,)
    probabilities : array, shape (N, C)
    count : int
        The largest number of indices.
    ignore_index : int
        Samples with this target are left out.
    """
    target, probabilities = as_labels("worst_mistakes", target), np.asarray(probabilities)
    if probabilities.ndim != 2 or target.shape != probabilities.shape[:1]:
        raise ValueError(
            "mistakes: expected targets (N,) and probabilities (N, C), got shapes "
            f"{target.shape} and {probabilities.shape}"
        )
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero((predicted != target) & (target != ignore_index))
    return wrong[np.argsort(-confidence[wrong], kind="stable")[:count]]


def mistakes(
    images: Array,
    target: Array,
    probabilities: Array,
    names: Sequence[str],
    *,
    columns: int = 8,
    title: str = "",
) -> "Figure":
    """Show images with their class, the predicted class, and its probability.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
        E.g. those that `worst_mistakes` chose.
    target : array of int, shape (N,)
    probabilities : array, shape (N, C)
    names : list of str
        Of the C classes.
    columns : int
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    target, probabilities = np.asarray(target), np.asarray(probabilities)
    n, shape = len(images), (len(images), len(names))
    if target.shape != (n,) or probabilities.shape != shape:
        raise ValueError(
            f"mistakes: expected targets ({n},) and probabilities {shape} for {n} images and "
            f"{len(names)} names, got shapes {target.shape} and {probabilities.shape}"
        )
    names = [str(name) if len(str(name)) <= LONG else f"{str(name)[: LONG - 1]}…" for name in names]
    line = "\n" if max(map(len, names)) > 3 else " "  # long names get a line each
    titles = [
        f"{names[label]}{line}→ {names[row.argmax()]}  {row.max():.0%}"
        for label, row in zip(target, probabilities, strict=True)
    ]
    title = title or say("Most confident mistakes: true → predicted class, probability")
    figure = image_grid(images, titles, columns=columns, title=title)
    every = np.array(names, object)
    table = {"true class": every[target], "predicted class": every[probabilities.argmax(axis=1)]}
    keep_numbers(figure, "mistakes", table | {"probability": probabilities.max(axis=1)})
    return figure
