"""What ``firstlight data describe`` says of data: columns, duplicates, leaks, balance, outliers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support.array import Array

SAMPLES = 5_000  # of data that are not in memory, those that are read
COLUMNS = 60  # of arrays without names, the most that are described one by one
FAR = 3.0  # interquartile ranges beyond a quartile: Tukey's "far out"
RARE = 10  # training samples below which a class is named
HEAD = ("column", "kind", "missing", "least ... median ... most", "far out")


def column_rows(splits: DataSplits) -> list[tuple[str, ...]]:
    """Return a table about each column of the training data, its titles first.

    Images and sequences, and arrays of more than `COLUMNS` features, get one line a channel.
    """
    if splits.is_nested:
        return []
    x = _arrays(splits.train)[0]
    entries = splits.info.get("encoding")
    if entries is not None:
        x = x if x.ndim == 2 else x[:, 0]  # of windows, the first row of each
        return [HEAD, *_encoded_rows(x, entries)]
    names = splits.info.get("columns") or []
    if x.ndim == 2 and x.shape[1] <= COLUMNS and x.dtype.kind in "iuf":
        names = names or [f"x{i}" for i in range(x.shape[1])]
        return [HEAD, *(_number_row(name, values) for name, values in zip(names, x.T, strict=True))]
    if x.dtype.kind not in "uf":
        return []  # tokens
    channels = x.reshape(-1, x.shape[-1]) if x.ndim == 4 else x.reshape(-1, 1)
    titles = [f"channel {i}" for i in range(channels.shape[1])] if x.ndim == 4 else ["all values"]
    return [HEAD, *(_number_row(t, v) for t, v in zip(titles, channels.T, strict=True))]


def findings(splits: DataSplits) -> list[str]:
    """Return sentences about what may be wrong with data, the worst first; none if nothing is."""
    if splits.tokenizer is not None:
        return ["not examined: blocks of a text are drawn at any place of it"]
    if splits.is_nested:
        return ["not examined: samples with several inputs"]
    read = {split: _arrays(data) for split, data in splits.parts.items()}
    lines = [*_repeated(read)]
    x, *others = read["train"]
    if others:
        lines += _given_away(splits, x, others[0])
        lines += _classes(splits, {split: arrays[1] for split, arrays in read.items()})
    flat = x.reshape(len(x), -1)
    blank = int((flat == flat[:, :1]).all(axis=1).sum()) if flat.shape[1] > 1 else 0
    if blank and x.ndim == 4:
        lines.append(f"{_samples(blank)} of train have one value in all pixels")
    if x.ndim == 2 and len(x) > 2:
        lines += _strange_columns(splits, x)
    return lines


def _arrays(data):
    """Return the arrays of a data set as they are kept, or its first samples."""
    arrays = getattr(data, "arrays", ())
    if arrays and all(isinstance(array, np.ndarray) for array in arrays):
        return arrays
    first = np.arange(min(SAMPLES, len(data)))
    return tuple(array[first] for array in arrays) or data[first]


# --- columns --------------------------------------------------------------------------------------


def _encoded_rows(x: Array, entries: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    from firstlight.data.encoding import DAY, EPOCH, Encoding

    place = 0
    for part in Encoding.from_list(entries).parts:
        own = x[:, place : place + len(part.features)]
        gap = x[:, place + len(part.features)].astype(bool) if part.gaps else np.zeros(len(x), bool)
        place += len(part.features) + part.gaps
        missing = f"{gap.mean():.1%}" if part.gaps else "-"
        if part.kind == "numbers":
            name, kind, _, values, far = _number_row(part.column, own[~gap, 0])
            yield name, kind, missing, values, far
        elif part.kind == "dates":
            days = own[~gap, 0]
            ends = [EPOCH + np.timedelta64(int(d * DAY), "s") for d in (days.min(), days.max())]
            unit = "m" if part.times else "D"
            values = " ... ".join(str(end.astype(f"datetime64[{unit}]")) for end in ends)
            yield part.column, "dates", missing, values, _far_out(days)
        elif part.how == "index":
            top = Counter(own[:, 0].astype(int).tolist()).most_common(3)
            words = ["(other)", *part.words]
            yield part.column, "words", missing, _shares([(words[k], n) for k, n in top], x), "-"
        elif part.features or part.gaps:
            names = [*part.words, *["(other)"] * part.others]
            count = sorted(zip(names, own.sum(axis=0), strict=True), key=lambda pair: -pair[1])
            text = _shares(count[:3], x) + ", ..." * (len(count) > 3)
            yield part.column, "words", missing, text or "most occur once: only the gaps", "-"
        else:
            yield part.column, "left out", "", "", ""


def _shares(count, x):
    return ", ".join(f"{name} {share / len(x):.0%}" for name, share in count)


def _number_row(name, values):
    if not len(values):
        return name, "numbers", "-", "", "-"
    values = np.asarray(values, "float64")
    least, middle, most = values.min(), np.median(values), values.max()
    return name, "numbers", "-", f"{least:.6g} ... {middle:.6g} ... {most:.6g}", _far_out(values)


def _far_out(values):
    """Return how many values are far beyond the quartiles, as a text."""
    low, high = np.quantile(values, [0.25, 0.75])
    reach = FAR * (high - low)
    count = int(((values < low - reach) | (values > high + reach)).sum()) if reach else 0
    return f"{count:,}" if count else "-"


# --- findings -------------------------------------------------------------------------------------


def _repeated(read):
    """Describe samples that occur in two splits, or twice in one."""
    digests = {split: _digests(arrays[0]) for split, arrays in read.items()}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if one in digests and other in digests:
            first = {digest: row for row, digest in reversed([*enumerate(digests[one])])}
            pairs = [(first[d], row) for row, d in enumerate(digests[other]) if d in first]
            if pairs:
                a, b = np.array(pairs).T
                line = f"leak: {_samples(len(pairs))} of {other} also in {one}"
                yield line + _contradicting(read[one], a, read[other], b) + _example(b)
    for split, own in digests.items():
        count = len(own) - len(set(own))
        if count:
            yield f"duplicates: {_samples(count)} of {split} more than once in {split}"


def _digests(x):
    rows = x.reshape(len(x), -1)
    return [blake2b(np.ascontiguousarray(row), digest_size=16).digest() for row in rows]


def _contradicting(one, a, other, b):
    if len(one) < 2 or len(other) < 2:
        return ""
    differ = (one[1][a] != other[1][b]).reshape(len(a), -1).any(axis=1)
    return f", {int(differ.sum()):,} of them with another target" if differ.any() else ""


def _example(rows):
    return f" (e.g. number {int(rows[0])})"


def _given_away(splits, x, y):
    """Name features that determine the target alone."""
    if x.ndim != 2 or x.shape[1] > 500 or y.size != len(y) or len(x) < 20:
        return
    y = y.reshape(-1)
    names = splits.info.get("features") or splits.info.get("columns") or range(x.shape[1])
    for name, values in zip(names, x.T, strict=True):
        different, kind = np.unique(values, return_inverse=True)
        if splits.classes is not None:
            if not 1 < len(different) <= len(x) // 2:
                continue
            pairs = len(np.unique(np.stack([kind, y]), axis=1).T)
            alone = pairs == len(different) and len(np.unique(y)) > 1
        elif len(different) > 2 and np.ptp(y):
            alone = abs(np.corrcoef(values.astype("float64"), y)[0, 1]) > 0.9999
        else:
            continue
        if alone:
            yield f"leak: {name} alone determines the target; drop it if it is not known before"


def _classes(splits, targets):
    """Describe how often classes occur."""
    if splits.classes is None or any(y.ndim != 1 for y in targets.values()):
        return
    counts = {s: np.bincount(y, minlength=len(splits.classes)) for s, y in targets.items()}
    for split, count in counts.items():
        lacking = [str(splits.classes[k]) for k in np.flatnonzero(count == 0)]
        if lacking:
            yield f"no sample of {split} has the class {_some(lacking)}"
    train = counts["train"]
    rare = [
        f"{splits.classes[k]} ({train[k]})" for k in np.flatnonzero((train < RARE) & (train > 0))
    ]
    if rare:
        yield f"rare in train: {_some(rare)}"
    share = train.max() / train.sum()
    if share * len(train) > 1.5:
        most = splits.classes[int(train.argmax())]
        yield (
            f"classes are not balanced: {share:.0%} of train are {most}, so a model that always "
            f"says so has an accuracy of {share:.2f}"
        )


def _strange_columns(splits, x):
    """Name columns that are constant, or that number the rows."""
    names = splits.info.get("features") or splits.info.get("columns") or []
    names = names or [f"x{i}" for i in range(x.shape[1])]
    constant = [
        str(n) for n, low, high in zip(names, x.min(0), x.max(0), strict=True) if low == high
    ]
    if constant and len(x.T) <= COLUMNS:
        yield f"the same in all of train: {_some(constant)}"
    steps = x[1:] > x[:-1]
    for name, rising, values in zip(names, steps.all(axis=0), x.T, strict=True):
        if rising and (values == np.floor(values)).all():
            yield f"{name} rises from row to row: drop it if it only numbers the rows"


def _some(names):
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _samples(count):
    return f"{count:,} sample{'s' * (count != 1)}"
