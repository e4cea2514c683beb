"""Checks of the data: scales, balance of classes, contradicting labels, samples in two splits."""

from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import is_float
from firstlight.tools.diagnose.findings import Finding, Report

FEWER = 4  # times another spread
ROWS = 4000  # samples that are looked at
NEIGHBOURS = 8
ASKED = 1500  # samples whose neighbours are searched
TELLING = 0.65  # of the way from chance to always right: neighbours do predict labels
STRUCTURED, CLOSE = 32, 0.6  # features, and neighbours' distance over any two samples'
NEARER = 0.9  # the same, for a neighbour whose label counts as evidence


def check_samples(data: Any, report: Report) -> None:
    """Add lines about the samples of `DataSplits`, or of a tuple of arrays."""
    train = data.train if isinstance(data, DataSplits) else getattr(data, "data", data)
    x, y = first_samples_of(train)
    if x is None or not len(x):
        return
    if y is not None and y.ndim == 1 and y.dtype.kind in "iu" and len(y) == len(x):
        counts = np.bincount(y[y >= 0])
        present = counts[counts > 0] / max(counts.sum(), 1)
        detail = f"{present.min():.1%} to {present.max():.1%}" if len(present) else ""
        report.add("data", "class balance", [imbalance(counts, len(y))], detail)
        if len(x) >= 400 and x.dtype.kind in "fu":
            report.add("data", "labels of neighbours", [label_noise(x, y)])
    val = data.val if isinstance(data, DataSplits) else None
    val = None if val is None else first_samples_of(val)[0]
    if val is not None and x[0].size > 1 and not hasattr(data.train, "draw"):
        report.add("data", "train and validation apart", [overlap(x, val)])
        report.add("data", "train and validation alike", [shift(x, val)])


def first_samples_of(data: Any) -> tuple[Any, Any]:
    """Return ``(x, y)`` of up to `ROWS` samples, the same ones each time; None if unavailable."""

    def chosen(length):
        return np.sort(np.random.default_rng(0).permutation(length)[:ROWS])

    if isinstance(data, tuple):
        rows = chosen(len(data[0]))
        x, y = data[0], data[1] if len(data) > 1 else None
        return np.asarray(x)[rows], None if y is None else np.asarray(y)[rows]
    if isinstance(data, list) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        return None, None
    batch = data[chosen(len(data))]
    if not isinstance(batch, tuple) or not isinstance(batch[0], np.ndarray):
        return None, None
    return batch[0], batch[1] if len(batch) > 1 else None


def imbalance(counts: Array, samples: int) -> Finding | None:
    """Return a finding about classes of very different size, or None."""
    present, total = counts[counts > 0], counts.sum()
    few = len(present) < 2 or samples < 20 * len(present)
    if few or present.max() < 8 * present.min():
        return None
    most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max() + 1).argmin())
    message = (
        f"class {most} has {counts[most]:,} samples and class {least} {counts[least]:,}: "
        f"always predicting {most} is right for {counts[most] / total:.0%}"
    )
    look = "CrossEntropyLoss(weight=...), more samples of the rare ones, and metrics per class"
    return Finding("imbalance", "data", "", message, look)


def label_noise(x: Array, y: Array) -> Finding | None:
    """Return a finding if labels contradict those of the nearest neighbours, or None.

    A different label is suspect only where neighbours predict labels. That they do not predict
    them at all is suspect only where inputs have a structure of their own, as images have.
    """
    rows = x.reshape(len(x), -1).astype("float32")
    deviations = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0))[:, deviations > 0] / deviations[deviations > 0]
    square = np.square(rows).sum(axis=1)
    asked = np.arange(min(len(rows), ASKED))
    distance = np.maximum(square[asked, None] + square - 2 * rows[asked] @ rows.T, 0)
    distance[asked, asked] = np.inf
    near = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    classes, given = np.unique(y, return_inverse=True)
    if len(classes) < 2 or len(y) <= 40 * len(classes):
        return None
    votes = np.stack([(given[near] == c).sum(axis=1) for c in range(len(classes))], axis=1)
    guessed, given = votes.argmax(axis=1), given[asked]
    count = np.bincount(given, minlength=len(classes))
    present = count > 0
    hits = np.bincount(given[guessed == given], minlength=len(classes))[present] / count[present]
    chance, right = 1 / len(hits), float(hits.mean())  # balanced accuracy: blind to frequency
    deviation = float(np.sqrt((chance * (1 - chance) / count[present]).mean() / len(hits)))
    look = "where x and y are read, sorted or shuffled"
    to_near = np.sqrt(np.take_along_axis(distance, near, axis=1))
    usual = np.median(np.sqrt(distance))
    structured = rows.shape[1] >= STRUCTURED and np.median(to_near) < CLOSE * usual
    if structured and abs(right - chance) < 3 * deviation:
        message = (
            "samples that look alike share a label no more often than by chance (balanced "
            f"accuracy {right:.0%}): the labels seem to belong to other samples"
        )
        return Finding("label-noise", "data", "", message, f"{look}: each in the same order")
    agreed = (votes.max(axis=1) >= 0.7 * NEIGHBOURS) & (to_near.max(axis=1) < NEARER * usual)
    share = float(np.mean(guessed[agreed] != given[agreed])) if agreed.any() else 0
    if right < chance + TELLING * (1 - chance) or agreed.mean() < 0.2 or share < 0.08:
        return None
    message = (
        f"of the samples whose {NEIGHBOURS} nearest neighbours agree on a class, {share:.0%} have "
        "another label: labels are wrong, or shifted against the inputs"
    )
    return Finding("label-noise", "data", "", message, f"{look}; some of these samples by eye")


def overlap(x: Array, val: Array) -> Finding | None:
    """Return a finding about validation samples that are in the training data too, or None."""
    train = {row.tobytes() for row in np.ascontiguousarray(x)}
    shared = sum(row.tobytes() in train for row in np.ascontiguousarray(val))
    if shared <= max(1, 0.02 * len(val)):
        return None
    message = (
        f"{shared} of {len(val)} validation samples are among {len(x)} training samples: the "
        "validation loss is too optimistic"
    )
    look = "split before shuffling, augmenting or duplicating; remove duplicates first"
    return Finding("overlap", "data", "", message, look)


def shift(x: Array, val: Array) -> Finding | None:
    """Return a finding about validation inputs of another scale than the training's, or None."""
    if not (is_float(x) and is_float(val)) or len(val) < 32 or not float(x.std()) > 0:
        return None
    spread, ratio = float(x.std()), float(val.std() / x.std())
    if 1 / FEWER < ratio < FEWER and abs(float(val.mean() - x.mean())) / spread < 1:
        return None
    message = (
        f"the training inputs have mean {x.mean():.3g} and spread {spread:.3g}, those of the "
        f"validation {val.mean():.3g} and {val.std():.3g}"
    )
    look = "the same transform, with the training data's mean and std, for both"
    return Finding("shift", "data", "", message, look)


def input_scale(x: Array) -> Finding | None:
    """Return a finding about inputs that are too large, too small or not finite, or None."""
    if not is_float(x):
        return None
    if not np.isfinite(x).all():
        look = "where the data come from, and a division by zero in a transform"
        return Finding("not-finite", "data", "", "the inputs hold NaN or infinite values", look)
    largest, spread = float(np.abs(x).max()), float(x.std())
    if largest > 50 or spread > 10:
        message = f"the inputs are large, up to {largest:.3g} with a spread of {spread:.3g}"
    elif largest > 0 and spread < 0.01 and len(x) > 1:
        message = f"the inputs hardly differ, their spread is {spread:.3g}"
    else:
        return None
    look = "the data's transform: standardise each feature, (x - mean) / std of the training data"
    message += ": networks learn best from mean 0 and spread 1"
    return Finding("input-scale", "data", "", message, look)


def target_scale(y: Array, loss: float) -> Finding | None:
    """Return a finding about regression targets that are large, or hardly differ, or None.

    If the loss is small all the same, the training step rescales them itself.
    """
    if not is_float(y) or y.size < 4:
        return None
    size, spread = float(np.sqrt(np.square(y.astype("float64")).mean())), float(y.std())
    look = "(y - mean) / std of the training data as the target, and back again for predictions"
    if (size > 50 or spread > 15) and float(loss) > 50:
        message = (
            f"the targets are large, {y.mean():.3g} on average with a spread of {spread:.3g}, the "
            f"loss therefore {float(loss):.3g}: the outputs of a fresh network are near 1"
        )
        return Finding("target-scale", "data", "", message, look)
    if 0 < spread < 0.003:
        message = f"the targets hardly differ, their spread is {spread:.3g}"
        return Finding("target-scale", "data", "", message, look, note=True)
    return None
