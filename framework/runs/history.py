"""History: the logged records of a training, in memory or read from a run's folder."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.runs.directions import direction, resolve_mode
from firstlight.support.frames import frame
from firstlight.support.html import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLACE = ("step", "epoch", "time")  # in every record; all other names are metrics
COUNTED = ("step", "epoch")


class History:
    """The records of one training, as `Trainer.fit` returns them.

    Every record is a flat dict with "step", "epoch" and "time" (seconds since the start) and the
    logged values. Names do not depend on the settings: ``train_loss`` and ``train_acc`` are means
    over an epoch, ``train_loss_step`` is the mean over the steps since its last record, and
    ``val_loss`` is the mean over a validation.

    Attributes
    ----------
    records : list of dict
        In the order logged.
    modes : dict of str to {"min", "max"}
        The better direction, for names whose direction was given to a callback.

    Examples
    --------
    >>> from firstlight.runs.history import History
    >>> history = History()
    >>> history.add({"step": 10, "epoch": 1, "time": 0.1, "val_loss": 0.5})
    >>> history.add({"step": 20, "epoch": 2, "time": 0.2, "val_loss": 0.4})
    >>> history["val_loss"], history.steps("val_loss")
    ([0.5, 0.4], [10, 20])
    >>> history.best("val_loss")["epoch"]
    2
    """

    def __init__(self, records: Iterable[dict[str, float]] = ()) -> None:
        self.records: list[dict[str, float]] = list(records)
        self.modes: dict[str, str] = {}

    def add(self, record: dict[str, float]) -> None:
        """Append a record."""
        self.records.append(record)

    def keys(self) -> list[str]:
        """Return the names that were logged, in order of appearance."""
        names = dict.fromkeys(name for record in self.records for name in record)
        return [name for name in names if name not in PLACE]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: str) -> bool:
        return any(name in record for record in self.records)

    def __getitem__(self, name: str) -> list[float]:
        """Return the list of all values logged under a name."""
        return [record[name] for record in self._having(name)]

    def steps(self, name: str) -> list[int]:
        """Return the steps at which a name was logged, one for each of its values."""
        return self.at(name, "step")

    def at(self, name: str, place: str) -> list[Any]:
        """Return the "step", "epoch" or "time" of each value of a name."""
        return [record[place] for record in self._having(name)]

    def best(self, name: str, mode: str = "auto") -> dict[str, float]:
        """Return the record with the lowest ("min") or highest ("max") value of a name.

        "auto" uses the mode given to a callback that monitors the value, or else the name. Values
        that are not finite are ignored, unless there are no others.

        Raises
        ------
        KeyError
            Nothing was logged under this name.
        ValueError
            The direction of the name is unknown; see `firstlight.runs.directions`.
        """
        values = self[name]
        mode = resolve_mode(name, self.modes.get(name, "auto") if mode == "auto" else mode)
        finite = [index for index, value in enumerate(values) if math.isfinite(value)]
        pick = max if mode == "max" else min
        return self._nth(name, pick(finite or range(len(values)), key=values.__getitem__))

    def direction(self, name: str) -> str | None:
        """Return "min" if smaller values of a name are better, "max" if larger; None if unknown."""
        return self.modes.get(name) or direction(name)

    def last(self) -> dict[str, float]:
        """Return the latest value of every name."""
        return {name: value for record in self.records for name, value in record.items()}

    def to_frame(self) -> Any:
        """Return a data frame of pandas or polars, a row for each record.

        See `firstlight.runs.export.to_frame` for which of the two it is.
        """
        return frame(self.records, "History.to_frame")

    def plot(self, *, title: str = "") -> Figure:
        """Return a matplotlib Figure of all curves; a notebook shows it, ``savefig`` writes it.

        See `firstlight.tools.figures.learning_curves`.
        """
        from firstlight.tools.figures import curves

        return curves(self, title=title)

    def _having(self, name):
        found = [record for record in self.records if name in record]
        if not found:
            raise self._unknown(name)
        return found

    def _nth(self, name, index):
        """Return the record of the n-th value of a name."""
        return self._having(name)[index]

    def _unknown(self, name):
        return KeyError(f"nothing was logged as {name!r}; there are: {', '.join(self.keys())}")

    def _repr_html_(self) -> str:
        rows = [("metric", "last", "best", "epoch")]
        for name, last in self.last().items():
            if name in PLACE or "/" in name:  # one of each layer: too many
                continue
            best = self.best(name) if self.direction(name) else {name: None, "epoch": ""}
            rows.append((name, _short(last), _short(best[name]), best["epoch"]))
        return table(rows)

    def __repr__(self) -> str:
        return f"History({len(self.records)} records of {', '.join(self.keys())})"


class LongHistory(History):
    """A `History` in arrays, one for each name, for long runs.

    500,000 records of six values take 36 MB instead of 480 MB.

    Parameters
    ----------
    records : iterable of dict
        Flat dicts of numbers; consumed one by one.

    Attributes
    ----------
    records : list of dict
        Created on each access.

    Examples
    --------
    >>> from firstlight.runs.history import LongHistory
    >>> history = LongHistory({"step": n, "epoch": 1, "val_loss": 1 / n} for n in (1, 2, 4))
    >>> history["val_loss"], history.best("val_loss")
    ([1.0, 0.5, 0.25], {'step': 4, 'epoch': 1, 'val_loss': 0.25})
    """

    def __init__(self, records: Iterable[dict[str, float]] = ()) -> None:
        self.modes: dict[str, str] = {}
        self._count, self._rows, self._values = 0, {}, {}  # by name: records' indices, values
        for record in records:
            self.add(record)

    def add(self, record: dict[str, float]) -> None:
        """Append a record."""
        for name, value in record.items():
            if name not in self._rows:
                self._rows[name], self._values[name] = array("I"), array("d")
            self._rows[name].append(self._count)
            try:
                self._values[name].append(value)
            except OverflowError:  # an integer larger than any float
                self._values[name].append(math.inf)
        self._count += 1

    @property
    def records(self) -> list[dict[str, float]]:
        """All records as dicts."""
        records = [{} for _ in range(self._count)]
        for name, values in self._values.items():
            for row, value in zip(self._rows[name], values, strict=True):
                records[row][name] = _as_logged(name, value)
        return records

    def keys(self) -> list[str]:
        """Return the names that were logged, in order of appearance."""
        return [name for name in self._rows if name not in PLACE]

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> list[float]:
        """Return the list of all values logged under a name."""
        if name not in self._rows:
            raise self._unknown(name)
        return self._values[name].tolist()

    def at(self, name: str, place: str) -> list[Any]:
        """Return the "step", "epoch" or "time" of each value of a name."""
        if name not in self._rows:
            raise self._unknown(name)
        places, rows = np.array(self._values[place]), np.array(self._rows[name])
        if len(places) != self._count:  # some records lack the place
            rows = np.searchsorted(self._rows[place], rows)
        return places[rows].astype(int if place in COUNTED else float).tolist()

    def last(self) -> dict[str, float]:
        """Return the latest value of every name."""
        return {name: _as_logged(name, values[-1]) for name, values in self._values.items()}

    def _nth(self, name, index):
        row, found = self._rows[name][index], {}
        for other, rows in self._rows.items():
            place = bisect_left(rows, row)
            if rows[place : place + 1] == array("I", [row]):
                found[other] = _as_logged(other, self._values[other][place])
        return found

    def __repr__(self) -> str:
        return f"History({self._count} records of {', '.join(self.keys())})"


def _short(value):
    return "" if value is None else f"{value:.4g}"


def _as_logged(name, value):
    """Return a value as it was logged: steps and epochs are integers."""
    return int(value) if name in COUNTED and value.is_integer() else value
