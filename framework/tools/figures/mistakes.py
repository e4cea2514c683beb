"""mistakes: what a classifier got wrong, and was surest of."""

import numpy as np

from firstlight.tools.figures.image_grid import image_grid
from firstlight.tools.figures.labels import IGNORED, as_labels
from firstlight.tools.language import say

LONG = 9  # letters of a class's name that there is room for


def worst_mistakes(target, probabilities, count=24, *, ignore_index=IGNORED):
    """Return the indices of wrong predictions, those of the highest probability first.

    Parameters
    ----------
    target : array of int, shape (N,)
    probabilities : array, shape (N, C)
    count : int
        How many at most.
    ignore_index : int
        Samples with this target are left out.
    """
    target, probabilities = as_labels("worst_mistakes", target), np.asarray(probabilities)
    if probabilities.ndim != 2 or target.shape != probabilities.shape[:1]:
        raise ValueError(
            "mistakes: expected targets (N,) and probabilities (N, C), got shapes "
            f"{target.shape} and {probabilities.shape}"
        )
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero((predicted != target) & (target != ignore_index))
    return wrong[np.argsort(-sure[wrong], kind="stable")[:count]]


def mistakes(images, target, probabilities, names, *, columns=8, title=""):
    """Show images with what they are, what they were taken for, and how surely.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
        N of them, e.g. those that `worst_mistakes` chose.
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
    names = [str(name) if len(str(name)) <= LONG else f"{str(name)[: LONG - 1]}…" for name in names]
    line = "\n" if max(map(len, names)) > 3 else " "  # long names get a line each
    titles = [
        f"{names[is_]}{line}→ {names[row.argmax()]}  {row.max():.0%}"
        for is_, row in zip(target, probabilities, strict=True)
    ]
    title = title or say("Most confident mistakes: is → taken for, how surely")
    return image_grid(images, titles, columns=columns, title=title)
