"""Sanity of the data: balance of classes, labels that contradict, samples in two splits."""

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.tools.diagnose.bench import is_float
from firstlight.tools.diagnose.findings import Finding

FEWER = 4  # times another spread
ROWS = 4000  # samples looked at
NEIGHBOURS = 8
ASKED = 1500  # whose neighbours are looked for
TELLING = 0.65  # of the way from chance to always right: neighbours do tell labels
STRUCTURED, CLOSE = 32, 0.6  # features, and neighbours' distance over any two samples'
NEARER = 0.9  # and that a neighbour is, whose label counts as evidence


def check_samples(data, report):
    """Add lines about the samples of `DataSplits`, or of a tuple of arrays."""
    train = data.train if isinstance(data, DataSplits) else getattr(data, "data", data)
    x, y = first(train)
    if x is None or not len(x):
        return
    labelled = y is not None and y.ndim == 1 and y.dtype.kind in "iu" and len(y) == len(x)
    if labelled:
        report.add("data", "class balance", [balance(y)], balance_detail(y))
    if labelled and len(x) >= 400 and x.dtype.kind in "fu":
        report.add("data", "labels of neighbours", [noise(x, y)])
    val = first(data.val)[0] if isinstance(data, DataSplits) and data.val is not None else None
    if val is not None and x[0].size > 1 and not hasattr(data.train, "draw"):
        report.add("data", "train and validation apart", [overlap(x, val)])
        report.add("data", "train and validation alike", [shift(x, val)])


def first(data):
    """Return ``(x, y)`` of up to `ROWS` samples, None for what is not there."""
    if isinstance(data, tuple):
        x, y = data[0], data[1] if len(data) > 1 else None
        chosen = spread(len(x))
        return np.asarray(x)[chosen], None if y is None else np.asarray(y)[chosen]
    if isinstance(data, list) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        return None, None
    batch = data[spread(len(data))]
    if not isinstance(batch, tuple) or not isinstance(batch[0], np.ndarray):
        return None, None
    return batch[0], batch[1] if len(batch) > 1 else None


def spread(length):
    """Return up to `ROWS` indices, in order, the same ones each time."""
    chosen = np.random.default_rng(0).permutation(length)[:ROWS]
    return np.sort(chosen)


def balance(y):
    """Return a `Finding` about classes of very different size, or None."""
    counts = np.bincount(y[y >= 0])
    there = counts[counts > 0]
    if len(there) < 2 or len(y) < 20 * len(there) or there.max() < 8 * there.min():
        return None
    most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max() + 1).argmin())
    return Finding(
        "imbalance",
        "data",
        "",
        f"class {most} has {counts[most]:,} samples and class {least} "
        f"{counts[least]:,}: always saying {most} is right for {counts[most] / counts.sum():.0%}",
        "CrossEntropyLoss(weight=...), more samples of the rare ones, and metrics per class",
    )


def balance_detail(y):
    """Return the shares of the largest and smallest class."""
    counts = np.bincount(y[y >= 0])
    there = counts[counts > 0]
    return (
        f"{there.min() / there.sum():.1%} to {there.max() / there.sum():.1%}" if len(there) else ""
    )


def noise(x, y):
    """Return a `Finding` if labels contradict those of the samples that look like them.

    Only where neighbours can tell labels is one that differs suspect, and only where inputs lie
    in a structure of their own, such as images, does it mean something that they cannot at all.
    """
    rows = x.reshape(len(x), -1).astype("float32")
    spread_of = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0))[:, spread_of > 0] / spread_of[spread_of > 0]
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
    there = count > 0
    hits = np.bincount(given[guessed == given], minlength=len(classes))[there] / count[there]
    chance, right = 1 / len(hits), float(hits.mean())  # balanced accuracy: blind to frequency
    deviation = float(np.sqrt((chance * (1 - chance) / count[there]).mean() / len(hits)))
    look = "where x and y are read, sorted or shuffled"
    to_near = np.sqrt(np.take_along_axis(distance, near, axis=1))
    usual = np.median(np.sqrt(distance))
    structured = rows.shape[1] >= STRUCTURED and np.median(to_near) < CLOSE * usual
    if structured and abs(right - chance) < 3 * deviation:
        return Finding(
            "label-noise",
            "data",
            "",
            "samples that look alike share a label no more often than by chance (balanced "
            f"accuracy {right:.0%}): the labels seem to belong to other samples",
            f"{look}: each in the same order",
        )
    agreed = (votes.max(axis=1) >= 0.7 * NEIGHBOURS) & (to_near.max(axis=1) < NEARER * usual)
    share = float(np.mean(guessed[agreed] != given[agreed])) if agreed.any() else 0
    if right < chance + TELLING * (1 - chance) or agreed.mean() < 0.2 or share < 0.08:
        return None
    return Finding(
        "label-noise",
        "data",
        "",
        f"of the samples whose {NEIGHBOURS} nearest neighbours agree on a "
        f"class, {share:.0%} have another label: labels are wrong, or shifted against the inputs",
        f"{look}; some of these samples by eye",
    )


def shift(x, val):
    """Return a `Finding` about validation inputs of another scale than the training's, or None."""
    if not (is_float(x) and is_float(val)) or len(val) < 32 or not float(x.std()) > 0:
        return None
    spread, ratio = float(x.std()), float(val.std() / x.std())
    moved = abs(float(val.mean() - x.mean())) / spread
    if 1 / FEWER < ratio < FEWER and moved < 1:
        return None
    return Finding(
        "shift",
        "data",
        "",
        f"the training inputs have mean {x.mean():.3g} and spread {spread:.3g}, those of the "
        f"validation {val.mean():.3g} and {val.std():.3g}",
        "the same transform, with the training data's mean and std, for both",
    )


def overlap(x, val):
    """Return a `Finding` about validation samples that are in the training data too."""
    train = {row.tobytes() for row in np.ascontiguousarray(x)}
    shared = sum(row.tobytes() in train for row in np.ascontiguousarray(val))
    if shared <= max(1, 0.02 * len(val)):
        return None
    return Finding(
        "overlap",
        "data",
        "",
        f"{shared} of {len(val)} validation samples are among {len(x)} "
        "training samples: the validation loss flatters",
        "split before shuffling, augmenting or duplicating; remove duplicates first",
    )
