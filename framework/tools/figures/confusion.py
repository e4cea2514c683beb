"""confusion_matrix: which classes are taken for which."""

import numpy as np

from firstlight.tools.figures.canvas import page, plain
from firstlight.tools.figures.labels import IGNORED, as_labels
from firstlight.tools.language import say

WRITTEN = 20  # classes up to which the counts are written into the cells


def confusion_counts(target, predicted, classes, *, ignore_index=IGNORED):
    """Return how often class i was taken for class j, shape (classes, classes).

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


def confusion_matrix(counts, names, *, title=""):
    """Show how often each class (rows) was taken for which (columns).

    A cell's shade is its share of the row, on a scale that lets small shares be seen; the counts
    are written in, zeros left out.

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

    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape != (len(names), len(names)):
        raise ValueError(
            f"confusion_matrix: expected counts of shape {(len(names),) * 2} for {len(names)} "
            f"names, got {counts.shape}"
        )
    total, right = counts.sum(), np.trace(counts)
    said = say("{share} right, {wrong} of {total} wrong")
    share, wrong = f"{right / max(total, 1):.2%}", f"{total - right:,}"
    title = title or said.format(share=share, wrong=wrong, total=f"{total:,}")
    side = max(3.6, 0.46 * min(len(names), WRITTEN + 10) + 1.2)
    figure = page(side, side, title)
    axes = figure.add_subplot()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (C, C)
    norm = PowerNorm(0.4, 0, 1)
    axes.imshow(share, cmap="Blues", norm=norm)
    if len(names) <= WRITTEN:
        for i, j in np.argwhere(counts > 0):
            colour = "white" if norm(share[i, j]) > 0.6 else "black"
            digits = len(f"{counts[i, j]}")
            size = 8 if digits < 5 else 6.5
            axes.text(j, i, counts[i, j], ha="center", va="center", fontsize=size, color=colour)
        inches = 0.08 * max(len(str(name)) for name in names)
        long = inches > (side - 1.2) / len(names)
        names = [plain(name) for name in names]
        axes.set_xticks(range(len(names)), names, rotation=90 if long else 0)
        axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(say("taken for"))
    axes.set_ylabel(say("is"))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    return figure
