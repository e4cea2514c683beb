"""Figures of how well scores rank samples: ROC and precision-recall curves, and their points."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.metrics.auc import area
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import page, plain, tidy
from firstlight.tools.figures.labels import IGNORED, checked_probabilities
from firstlight.tools.figures.style import GRAY, series
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 10  # classes with a colour and a name, those of the smallest areas; others are gray
ZOOMED = 0.97  # where all areas are larger, only the corner at the ideal point is shown
CORNER = 0.2


def roc_points(positive: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the points of the ROC curve: false and true positive rate at each threshold.

    Formula, with the samples that a threshold t predicts as positive, those of scores s ≥ t::

        fpr = negative samples among them / all negative samples
        tpr = positive samples among them / all positive samples

    Points on a straight line between others are left out, as in scikit-learn's ``roc_curve``.

    Parameters
    ----------
    positive : array of bool, shape (N,)
    scores : array, shape (N,)

    Returns
    -------
    fpr, tpr, thresholds : array, shape (K,)
        From the highest threshold, infinity, to the lowest.

    Raises
    ------
    ValueError
        Scores that are not finite, another shape, or samples of one kind only.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.figures import roc_points
    >>> fpr, tpr, _ = roc_points(np.array([False, False, True]), np.array([0.1, 0.4, 0.8]))
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    """
    right, wrong, thresholds = _counts("roc_points", positive, scores)
    if not right[-1] or not wrong[-1]:
        raise ValueError(
            f"roc_points: expected positive and negative samples, got {int(right[-1])} and "
            f"{int(wrong[-1])}"
        )
    if len(right) > 2:
        bends = (np.diff(right, 2) != 0) | (np.diff(wrong, 2) != 0)
        kept = np.r_[True, bends, True]
        right, wrong, thresholds = right[kept], wrong[kept], thresholds[kept]
    zero = np.zeros(1)
    fpr, tpr = (np.r_[zero, count] / count[-1] for count in (wrong, right))
    return fpr, tpr, np.r_[np.inf, thresholds]


def precision_recall_points(positive: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the points of the precision-recall curve.

    Formula, with the samples that a threshold t predicts as positive, those of scores s ≥ t::

        precision = positive samples among them / all among them
        recall    = positive samples among them / all positive samples

    Points between others of the same recall are left out, as in scikit-learn's
    ``precision_recall_curve(..., drop_intermediate=True)``.

    Parameters
    ----------
    positive : array of bool, shape (N,)
    scores : array, shape (N,)

    Returns
    -------
    precision, recall : array, shape (K + 1,)
        The last point is (1, 0), of no threshold.
    thresholds : array, shape (K,)
        Rising.

    Raises
    ------
    ValueError
        Scores that are not finite, another shape, or no positive sample.
    """
    right, wrong, thresholds = _counts("precision_recall_points", positive, scores)
    if not right[-1]:
        raise ValueError("precision_recall_points: expected positive samples, got none")
    if len(right) > 2:
        changes = np.diff(right) != 0
        kept = np.r_[True, changes[:-1] | changes[1:], True]
        right, wrong, thresholds = right[kept], wrong[kept], thresholds[kept]
    precision, recall = right / (right + wrong), right / right[-1]
    return np.r_[precision[::-1], 1.0], np.r_[recall[::-1], 0.0], thresholds[::-1]


def average_precision(positive: Array, scores: Array) -> float:
    """Return Σᵢ (recallᵢ - recallᵢ₋₁) precisionᵢ, the area under the precision-recall curve."""
    precision, recall, _ = precision_recall_points(positive, scores)
    return float(-(np.diff(recall) * precision[:-1]).sum())


def roc_curves(
    target: Array,
    probabilities: Array,
    names: Sequence[str],
    *,
    ignore_index: int = IGNORED,
    title: str | None = None,
) -> "Figure":
    """Show the ROC curve of each class against all others, with the area under it (AUC).

    Of two classes it is that of the second one. The classes of the smallest areas have names. If
    all areas are above 0.97, only the upper left corner is shown.

    Parameters
    ----------
    target : array of int, shape (N,)
    probabilities : array, shape (N, C)
        Or other scores that rise with the class's probability.
    names : list of str
        Of the C classes; classes without a sample are left out.
    ignore_index : int
        Samples with this target are left out.
    title : str, optional
        By default the mean of the areas.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        Samples of less than two classes, probabilities that are not finite, or other shapes.

    References
    ----------
    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.
    """

    def points(positive, scores):
        fpr, tpr, _ = roc_points(positive, scores)
        return fpr, tpr, float(area(scores[:, None], positive[:, None]))

    given = target, probabilities, names, ignore_index
    return _one_against_rest("roc_curves", *given, points, _roc_axes, "AUC", title)


def precision_recall_curves(
    target: Array,
    probabilities: Array,
    names: Sequence[str],
    *,
    ignore_index: int = IGNORED,
    title: str | None = None,
) -> "Figure":
    """Show precision against recall for each class, with the average precision (AP).

    For rare classes this says more than `roc_curves`. Parameters, return value and errors are those
    of `roc_curves`; if all AP are above 0.97, only the upper right corner is shown.

    References
    ----------
    Davis, Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006.
    """

    def points(positive, scores):
        precision, recall, _ = precision_recall_points(positive, scores)
        return recall, precision, average_precision(positive, scores)

    given = target, probabilities, names, ignore_index
    return _one_against_rest(
        "precision_recall_curves", *given, points, _precision_recall_axes, "AP", title
    )


def _counts(who: str, positive: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the positive and negative samples of at least each score, and the scores, falling."""
    positive, scores = np.asarray(to_host(positive), bool), np.asarray(to_host(scores), float)
    if scores.ndim != 1 or scores.shape != positive.shape or not scores.size:
        raise ValueError(
            f"{who}: expected one score for each of one or more samples, got shapes "
            f"{positive.shape} and {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{who}: expected finite scores, got {(~np.isfinite(scores)).sum()} not")
    order = np.argsort(-scores, kind="stable")
    positive, scores = positive[order], scores[order]
    last = np.r_[np.flatnonzero(np.diff(scores)), len(scores) - 1]  # of each group of equal scores
    right = np.cumsum(positive)[last].astype(float)
    return right, last + 1 - right, scores[last]


def _one_against_rest(
    who: str,
    target: Array,
    probabilities: Array,
    names: Sequence[str],
    ignored: int,
    points: Callable,
    finish: "Callable[[Axes, bool], None]",
    short: str,
    title: str | None,
) -> "Figure":
    """Return the figure of a curve for each class."""
    target, probabilities = checked_probabilities(who, target, probabilities, names, ignored)
    there = np.unique(target)
    if len(there) < 2:
        raise ValueError(
            f"{who}: expected samples of two classes or more, got those of {len(there)}"
        )
    shown = [1] if len(names) == 2 else there
    found = {k: points(target == k, probabilities[:, k]) for k in shown}
    areas = {label: one[2] for label, one in found.items()}
    worst = sorted(areas, key=lambda label: areas[label])[:NAMED]
    mean = np.mean(list(areas.values()))
    zoomed = min(areas.values()) > ZOOMED
    if title is None:
        one = f"{short} {mean:.3f}"
        title = (
            one
            if len(shown) == 1
            else say("mean {area} of {count} classes").format(area=one, count=len(shown))
        )
        title += say(" (the corner)") * zoomed
    figure = page(4.4, 4.2, title)
    axes = figure.add_subplot()
    for label, (x, y, _) in found.items():
        text = plain(f"{names[label]}: {areas[label]:.3f}")
        if label in worst:
            colour, line = series(sorted(worst).index(label))
            look = {"color": colour, "linestyle": line, "linewidth": 1.4, "zorder": 3}
            axes.plot(x, y, label=text, **look)
        else:
            axes.plot(x, y, color=GRAY, linewidth=0.7, alpha=0.6, label=f"_{text}")
    finish(axes, zoomed)
    tidy(axes, letters=8)
    axes.set_aspect("equal")
    place = "lower right" if short == "AUC" else "lower left"
    axes.legend(loc=place, fontsize=8, frameon=True, edgecolor="none", framealpha=0.85)
    return figure


def _roc_axes(axes, zoomed):
    axes.plot([0, 1], [0, 1], color=GRAY, linewidth=0.8, linestyle=":")
    axes.set(xlabel=say("false positive rate"), ylabel=say("true positive rate"))
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01))
    if zoomed:
        axes.set(xlim=(-0.01 * CORNER, CORNER), ylim=(1 - CORNER, 1 + 0.01 * CORNER))


def _precision_recall_axes(axes, zoomed):
    axes.set(xlabel=say("recall"), ylabel=say("precision"))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01))
    if zoomed:
        axes.set(xlim=(1 - CORNER, 1 + 0.01 * CORNER), ylim=(1 - CORNER, 1 + 0.01 * CORNER))
