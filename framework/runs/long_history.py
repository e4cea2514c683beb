"""LongHistory: a `History` that keeps the records of a file in arrays, one for each name."""

import math
from array import array
from bisect import bisect_left
from itertools import compress

import numpy as np

from firstlight.runs.directions import resolve_mode
from firstlight.runs.history import History

COUNTED = ("step", "epoch")


class LongHistory(History):
    """The records of a run; 500,000 of six values take 36 MB here, as dicts 480 MB.

    Parameters
    ----------
    records : iterable of dict
        Flat, of numbers; taken one by one.

    Attributes
    ----------
    records : list of dict
        Made anew each time that they are asked for.

    Examples
    --------
    >>> from firstlight.runs.long_history import LongHistory
    >>> history = LongHistory({"step": n, "epoch": 1, "val_loss": 1 / n} for n in (1, 2, 4))
    >>> history["val_loss"], history.best("val_loss")
    ([1.0, 0.5, 0.25], {'step': 4, 'epoch': 1, 'val_loss': 0.25})
    """

    def __init__(self, records=()):
        self.modes, self._count = {}, 0
        self._rows, self._values = {}, {}  # of each name: numbers of the records, and the values
        self._adding = {}  # of each combination of names: what appends to these
        for record in records:
            self.add(record)

    def add(self, record):
        """Append a record."""
        names = tuple(record)
        if names not in self._adding:
            for name in names:
                if name not in self._rows:
                    self._rows[name], self._values[name] = array("I"), array("d")
            adding = [(self._rows[name].append, self._values[name].append) for name in names]
            self._adding[names] = adding
        row = self._count
        for (add_row, add_value), value in zip(self._adding[names], record.values(), strict=True):
            add_row(row)
            try:
                add_value(value)
            except OverflowError:  # an integer larger than any float
                add_value(math.inf)
        self._count += 1

    @property
    def records(self):
        """All records as dicts."""
        records = [{} for _ in range(self._count)]
        for name, values in self._values.items():
            for row, value in zip(self._rows[name], values, strict=True):
                records[row][name] = _plain(name, value)
        return records

    def keys(self):
        """Return the names that were logged, in order of appearance."""
        return [name for name in self._rows if name not in ("step", "epoch", "time")]

    def __contains__(self, name):
        return name in self._rows

    def __getitem__(self, name):
        """Return the list of all values logged under a name."""
        self._check(name)
        return self._values[name].tolist()

    def at(self, name, place):
        """Return the "step", "epoch" or "time" of each value of a name."""
        self._check(name)
        places, rows = np.array(self._values[place]), np.array(self._rows[name])
        if len(places) != self._count:  # not every record has one
            rows = np.searchsorted(self._rows[place], rows)
        return places[rows].astype(int if place in COUNTED else float).tolist()

    def best(self, name, mode="auto"):
        """Return the record in which a value is best; see `History.best`."""
        self._check(name)
        told = self.modes.get(name, "auto") if mode == "auto" else mode
        pick = max if resolve_mode(name, told) == "max" else min
        values, rows = self._values[name], self._rows[name]
        finite = list(map(math.isfinite, values))
        if any(finite):
            values, rows = compress(values, finite), compress(rows, finite)
        row = pick(zip(values, rows, strict=True), key=lambda pair: pair[0])[1]
        return self._record(row)

    def last(self):
        """Return the latest value of every name."""
        return {name: _plain(name, values[-1]) for name, values in self._values.items()}

    def _record(self, row):
        found = {}
        for name, rows in self._rows.items():
            place = _index(rows, row)
            if place is not None:
                found[name] = _plain(name, self._values[name][place])
        return found

    def _check(self, name):
        if name not in self._rows:
            raise KeyError(f"nothing was logged as {name!r}; there are: {', '.join(self.keys())}")

    def __repr__(self):
        return f"History({self._count} records of {', '.join(self.keys())})"


def _plain(name, value):
    """Return a value as it was logged: steps and epochs are counted."""
    return int(value) if name in COUNTED and value.is_integer() else value


def _index(rows, row):
    """Return where a number stands in sorted ones, None where it does not."""
    place = bisect_left(rows, row)
    return place if place < len(rows) and rows[place] == row else None
