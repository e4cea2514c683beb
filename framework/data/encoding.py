"""Encoding: columns of numbers, words and dates as features, fitted to the training rows.

A run keeps its encoding in ``preprocessing.json``, so that new rows get the same features. Columns
are *typed*: float64 with NaN, datetime64 with NaT, or objects (str) with None where a cell is
missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from firstlight.support.array import Array

MOST = {"onehot": 32, "index": 1000}  # words of a column that get a feature, or an index
NAMES = 10  # a column with more different words, most of which occur once, names its rows
EPOCH = np.datetime64("1970-01-01", "s")
DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: the number, the training median where it is missing."""

    kind: ClassVar[str] = "numbers"
    column: str
    fill: float
    gaps: bool  # whether a feature says that the cell is missing

    @classmethod
    def fit(cls, column: str, values: Array) -> Numbers:
        """Return the encoding for typed training values (N,), of which one or more are known."""
        gap = np.isnan(values)
        return cls(column, float(np.median(values[~gap])), bool(gap.any()))

    def __post_init__(self) -> None:
        """Check what a file may hold."""
        if not isfinite(self.fill):
            raise ValueError(f"column {self.column}: its median is {self.fill}")

    @property
    def features(self) -> list[str]:
        """Name of the feature."""
        return [self.column]

    def encode(self, values: Array, gap: Array) -> list[Array]:
        """Return the feature (N,) of typed values."""
        return [np.where(gap, self.fill, values)]


@dataclass(frozen=True)
class Dates:
    """A column of dates: days since 1970, and the place in year, week and day on a circle.

    Formula, for the place p, 0 ... 1, in the year, the week or the day::

        (sin 2πp, cos 2πp)

    so that December is beside January. Missing dates become the median of the training rows.
    """

    kind: ClassVar[str] = "dates"
    column: str
    fill: str
    gaps: bool
    times: bool  # whether the place in the day is a feature

    @classmethod
    def fit(cls, column: str, values: Array) -> Dates:
        """Return the encoding for typed training values (N,), of which one or more are known."""
        gap = np.isnat(values)
        known = np.sort(values[~gap]).astype("datetime64[s]")
        times = bool((known != known.astype("datetime64[D]")).any())
        return cls(column, str(known[len(known) // 2]), bool(gap.any()), times)

    def __post_init__(self) -> None:
        """Check what a file may hold."""
        if np.isnat(np.datetime64(self.fill, "s")):
            raise ValueError(f"column {self.column}: its median is no date")

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        circles = ("year", "week", "day") if self.times else ("year", "week")
        parts = [f"{circle}_{name}" for circle in circles for name in ("sin", "cos")]
        return [f"{self.column}.{part}" for part in ("days", *parts)]

    def encode(self, values: Array, gap: Array) -> list[Array]:
        """Return the features, (N,) each, of typed values."""
        dates = np.where(gap, np.datetime64(self.fill, "s"), values.astype("datetime64[s]"))
        days = (dates - EPOCH).astype("int64") / DAY
        first = dates.astype("datetime64[Y]")
        length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(int)
        in_year = (dates - first.astype("datetime64[s]")).astype("int64") / DAY / length
        places = [in_year, (days + 3) / 7]  # 1970-01-01 was a Thursday
        angles = [2 * np.pi * place for place in (*places, *[days] * self.times)]
        return [days, *(f(angle) for angle in angles for f in (np.sin, np.cos))]


@dataclass(frozen=True)
class Words:
    """A column of words: one feature a word (one-hot), or one index for an embedding.

    Words are those of the training rows, the most frequent first. Of more than `MOST` the others
    share a feature, which words that are first seen later get, too. The index is 1, 2, ...;
    0 stands for every other word and for a missing one.
    """

    kind: ClassVar[str] = "words"
    column: str
    words: tuple[str, ...]
    gaps: bool
    others: bool
    how: str

    @classmethod
    def fit(cls, column: str, values: Array, how: str = "onehot") -> Words:
        """Return the encoding for typed training values (N,), of which one or more are known.

        If most words occur once (names, ticket numbers), only whether one is missing is used.
        """
        count = Counter(value for value in values if value is not None)
        known = sum(count.values())
        gaps = known < len(values)
        if len(count) > NAMES and 2 * len(count) > known:
            return cls(column, (), gaps, False, "onehot")
        words = sorted(count, key=lambda word: (-count[word], word))
        most = MOST[how]
        return cls(column, tuple(words[:most]), gaps, len(words) > most, how)

    def __post_init__(self) -> None:
        """Check what a file may hold."""
        if self.how not in MOST:
            raise ValueError(f"column {self.column}: expected onehot or index, got {self.how!r}")
        if not all(isinstance(word, str) for word in self.words):
            raise TypeError(f"column {self.column}: expected words, got {self.words!r}")

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        if self.how == "index":
            return [self.column]
        names = [*self.words, "(other)"] if self.others else self.words
        return [f"{self.column}={word}" for word in names]

    def encode(self, values: Array, gap: Array) -> list[Array]:
        """Return the features, (N,) each, of typed values."""
        place = {word: index for index, word in enumerate(self.words, 1)}
        index = np.fromiter((place.get(value, 0) for value in values), "int64", len(values))
        if self.how == "index":
            return [index]
        shown = [index == k for k in range(1, len(self.words) + 1)]
        return [*shown, (index == 0) & ~gap] if self.others else shown


KINDS: dict[str, Any] = {kind.kind: kind for kind in (Numbers, Dates, Words)}


@dataclass(frozen=True)
class Encoding:
    """The encodings of a table's columns, in order.

    Attributes
    ----------
    parts : tuple of Numbers, Dates or Words

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.encoding import Encoding
    >>> columns = {
    ...     "age": np.array([30.0, np.nan, 50.0]),
    ...     "sex": np.array(["f", "m", "f"], "O"),
    ... }
    >>> encoding = Encoding.fit(columns)
    >>> encoding.features
    ['age', 'age=(missing)', 'sex=f', 'sex=m']
    >>> encoding.encode({"age": np.array([np.nan]), "sex": np.array(["x"], "O")})
    array([[40.,  1.,  0.,  0.]])
    """

    parts: tuple[Any, ...]

    @classmethod
    def fit(cls, columns: Mapping[str, Array], how: str = "onehot") -> Encoding:
        """Fit to typed training columns by name; a column without a known value is not used.

        Parameters
        ----------
        columns : dict of str to array, shape (N,)
        how : {"onehot", "index"}
            For words.
        """
        if how not in MOST:
            raise ValueError(f"expected encode {' or '.join(MOST)}, got {how!r}")
        parts = []
        for column, values in columns.items():
            kind = kind_of(values)
            if is_missing(values).all():
                parts.append(Words(column, (), False, False, "onehot"))  # not used
            else:
                parts.append(kind.fit(column, values, *[how] * (kind is Words)))
        return cls(tuple(parts))

    @classmethod
    def from_list(cls, content: Sequence[Mapping[str, Any]]) -> Encoding:
        """Return the encoding of a list of `to_list`.

        Raises
        ------
        ValueError, TypeError, KeyError
            It holds something else.
        """
        parts = []
        for entry in content:
            fields = {name: value for name, value in entry.items() if name != "kind"}
            if "words" in fields:
                fields["words"] = tuple(fields["words"])
            parts.append(KINDS[entry["kind"]](**fields))
        return cls(tuple(parts))

    def to_list(self) -> list[dict[str, Any]]:
        """Return a JSON-able list, a dict for each column."""
        entries = [{"kind": part.kind, **asdict(part)} for part in self.parts]
        return [e | {"words": list(e["words"])} if "words" in e else e for e in entries]

    @property
    def columns(self) -> list[str]:
        """Names of the columns that have features: new rows need them."""
        return [part.column for part in self.parts if part.features or part.gaps]

    @property
    def unused(self) -> list[str]:
        """Names of the columns without features."""
        return [part.column for part in self.parts if not (part.features or part.gaps)]

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        names: list[str] = []
        for part in self.parts:
            names += [*part.features, *[f"{part.column}=(missing)"] * part.gaps]
        return names

    @property
    def amounts(self) -> Array:
        """Whether each feature (F,) is an amount, to be standardized, and no 0, 1 or index."""
        marks: list[bool] = []
        for part in self.parts:
            marks += [part.kind != "words"] * len(part.features) + [False] * part.gaps
        return np.array(marks, bool)

    def encode(self, columns: Mapping[str, Array]) -> Array:
        """Return the features (N, F), float64, of typed columns by name."""
        features: list[Array] = []
        for part in self.parts:
            if part.features or part.gaps:
                values = columns[part.column]
                gap = is_missing(values)
                features += [*part.encode(values, gap), *[gap] * part.gaps]
        return np.stack(features, axis=1).astype("float64")

    def surprises(self, columns: Mapping[str, Array]) -> list[str]:
        """Describe what typed columns have that the training rows did not: words and gaps."""
        lines = []
        for part in self.parts:
            if not (part.features or part.gaps):
                continue
            values = columns[part.column]
            gaps = int(is_missing(values).sum())
            if gaps and not part.gaps:
                fill = "taken as no known word" if part.kind == "words" else f"filled: {part.fill}"
                lines.append(f"column {part.column}: missing in {_rows(gaps)}, {fill}")
            if part.kind == "words" and part.words:
                unseen = Counter(v for v in values if v is not None and v not in part.words)
                if unseen and not part.others:
                    words = ", ".join(repr(word) for word, _ in unseen.most_common(3))
                    more = ", ..." if len(unseen) > 3 else ""
                    lines.append(
                        f"column {part.column}: {words}{more} not seen in training, "
                        f"in {_rows(sum(unseen.values()))}, taken as no known word"
                    )
        return lines


def kind_of(values: Array) -> Any:
    """Return the class that encodes a typed column: `Numbers`, `Dates` or `Words`."""
    return {"f": Numbers, "M": Dates}.get(values.dtype.kind, Words)


def is_missing(values: Array) -> Array:
    """Return where the cells of a typed column are missing, (N,) bool."""
    if values.dtype.kind == "O":
        return np.fromiter((value is None for value in values), bool, len(values))
    return np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)


def _rows(count):
    return f"{count:,} row{'s' * (count != 1)}"
