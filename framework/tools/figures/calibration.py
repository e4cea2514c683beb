"""Calibration: whether a classifier that is 80 % sure is right in 80 % of the cases."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.tools.figures.canvas import page, tidy
from firstlight.tools.figures.labels import IGNORED, checked_probabilities
from firstlight.tools.figures.style import BLUE, GRAY, VERMILION
from firstlight.tools.figures.tables import keep_numbers
from firstlight.tools.language import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Z = 1.959964  # standard deviations of a 95 % interval


def calibration_bins(right: Array, confidence: Array, bins: int = 10) -> dict[str, Array]:
    """Return accuracy and mean confidence of the samples in bins of equal width.

    A confidence on the border of two bins belongs to the lower one, as in scikit-learn's
    ``calibration_curve``; bins without samples are left out.

    Parameters
    ----------
    right : array of bool, shape (N,)
        Whether each prediction is right.
    confidence : array, shape (N,)
        The probability of the predicted class.
    bins : int
        Of the width 1 / bins, from 0 to 1.

    Returns
    -------
    dict of str to array, shape (B,)
        "low" and "high" borders, mean "confidence", "accuracy", and "samples".

    Raises
    ------
    ValueError
        No samples, not as many of one as of the other, or confidences outside 0 ... 1.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.tools.figures import calibration_bins
    >>> found = calibration_bins(np.array([True, True, False]), np.array([0.9, 0.6, 0.7]), bins=2)
    >>> found["accuracy"].round(3).tolist(), found["confidence"].round(3).tolist()
    ([0.667], [0.733])
    """
    right, confidence = np.asarray(to_host(right), bool), np.asarray(to_host(confidence), float)
    if right.ndim != 1 or right.shape != confidence.shape or not right.size:
        raise ValueError(
            "calibration_bins: expected one confidence for each of one or more predictions, got "
            f"shapes {confidence.shape} and {right.shape}"
        )
    if bins < 1:
        raise ValueError(f"calibration_bins: expected one or more bins, got {bins}")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(
            f"calibration_bins: expected confidences from 0 to 1, got {confidence.min()} to "
            f"{confidence.max()}; give probabilities, e.g. the softmax of scores"
        )
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)  # (N,)
    samples = np.bincount(place, minlength=bins)
    there = samples > 0
    means = [np.bincount(place, w, bins)[there] / samples[there] for w in (confidence, right)]
    return {
        "low": edges[:-1][there],
        "high": edges[1:][there],
        "confidence": means[0],
        "accuracy": means[1],
        "samples": samples[there],
    }


def expected_calibration_error(right: Array, confidence: Array, bins: int = 10) -> float:
    """Return the mean of abs(accuracy - confidence) over the bins, weighted by their samples.

    Formula, for bins b of n_b among N samples::

        ECE = Σ_b n_b / N  |accuracy_b - confidence_b|

    Parameters and errors are those of `calibration_bins`.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, eq. 3.
    """
    found = calibration_bins(right, confidence, bins)
    gaps = np.abs(found["accuracy"] - found["confidence"])
    return float((found["samples"] * gaps).sum() / found["samples"].sum())


def calibration(
    target: Array,
    probabilities: Array,
    names: Sequence[str],
    *,
    bins: int = 10,
    ignore_index: int = IGNORED,
    title: str | None = None,
) -> "Figure":
    """Show a reliability diagram: the accuracy over the confidence, and how often it occurs.

    The confidence is the probability of the predicted class. Points below the diagonal are
    overconfident. Bars are 95 % intervals (Wilson, 1927): bins of few samples say little.

    Parameters
    ----------
    target : array of int, shape (N,)
    probabilities : array, shape (N, C)
    names : list of str
        Of the C classes.
    bins : int
    ignore_index : int
        Samples with this target are left out.
    title : str, optional
        By default the expected calibration error.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        Labels that are not integers.
    ValueError
        No samples, shapes that do not fit, or values that are no probabilities.

    References
    ----------
    Guo et al., see `expected_calibration_error`.
    """
    target, probabilities = checked_probabilities(
        "calibration", target, probabilities, names, ignore_index
    )
    right, confidence = probabilities.argmax(axis=1) == target, probabilities.max(axis=1)
    found = calibration_bins(right, confidence, bins)
    if title is None:
        error = expected_calibration_error(right, confidence, bins)
        title = say("Expected calibration error {error}").format(error=f"{error:.2%}")
    figure = page(4.2, 4.4, title)
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.plot([0, 1], [0, 1], color=GRAY, linestyle=":", linewidth=1, label=say("ideal"))
    low, high = _wilson(found["accuracy"], found["samples"])
    errors = [found["accuracy"] - low, high - found["accuracy"]]
    above.errorbar(
        found["confidence"],
        found["accuracy"],
        np.maximum(errors, 0),
        fmt="o-",
        color=BLUE,
        ms=4,
        lw=1.4,
        elinewidth=1,
        capsize=2,
        label=say("this model"),
    )
    above.vlines(
        found["confidence"],
        found["accuracy"],
        found["confidence"],
        VERMILION,
        lw=4,
        alpha=0.35,
        label=say("gap"),
    )
    above.set_ylabel(say("accuracy"))
    above.set(xlim=(0, 1), ylim=(0, 1.02))
    above.legend(loc="upper left", fontsize=8, frameon=False)
    below.bar(
        found["low"],
        found["samples"],
        found["high"] - found["low"],
        align="edge",
        color=BLUE,
        alpha=0.7,
        edgecolor="white",
    )
    below.set_yscale("log")
    below.set_ylim(bottom=0.7)
    below.set(xlabel=say("confidence"), ylabel=say("samples"))
    for axes in (above, below):
        tidy(axes, letters=8)
    keep_numbers(figure, "calibration", found | {"interval low": low, "interval high": high})
    return figure


def _wilson(share: Array, samples: Array) -> tuple[Array, Array]:
    """Return the 95 % interval of a share of samples."""
    middle = (share + Z**2 / (2 * samples)) / (1 + Z**2 / samples)
    spread = np.sqrt(share * (1 - share) / samples + Z**2 / (4 * samples**2))
    half = Z * spread / (1 + Z**2 / samples)
    return middle - half, middle + half
