"""History: what a training logged, in memory."""

import math

from firstlight.runs.directions import direction, resolve_mode


class History:
    """The records of one training, as `Trainer.fit` returns them.

    Every record is a flat dict with "step", "epoch" and "time" (seconds since the start) and the
    values logged then. Names never change with the settings: ``train_loss`` and ``train_acc``
    are means over an epoch, ``train_loss_step`` over the steps since the last such record,
    ``val_loss`` over a validation.

    Attributes
    ----------
    records : list of dict
        In the order logged.
    modes : dict of str to {"min", "max"}
        Which direction is better, for names that callbacks were told it of.

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

    def __init__(self, records=()):
        self.records, self.modes = list(records), {}

    def add(self, record):
        """Append a record."""
        self.records.append(record)

    def keys(self):
        """Return the names that were logged, in order of appearance."""
        names = dict.fromkeys(name for record in self.records for name in record)
        return [name for name in names if name not in ("step", "epoch", "time")]

    def __iter__(self):
        return iter(self.keys())

    def __contains__(self, name):
        return any(name in record for record in self.records)

    def __getitem__(self, name):
        """Return the list of all values logged under a name."""
        return [record[name] for record in self._having(name)]

    def steps(self, name):
        """Return the steps at which a name was logged, one for each of its values."""
        return self.at(name, "step")

    def at(self, name, place):
        """Return the "step", "epoch" or "time" of each value of a name."""
        return [record[place] for record in self._having(name)]

    def best(self, name, mode="auto"):
        """Return the record in which a value is lowest ("min") or highest ("max").

        "auto" goes by what a callback that follows the value was told, or else by its name. What
        is not finite is never the best, unless there is nothing else.

        Raises
        ------
        KeyError
            Nothing was logged under this name.
        ValueError
            The name does not tell the mode; see `firstlight.runs.directions`.
        """
        told = self.modes.get(name, "auto") if mode == "auto" else mode
        pick = max if resolve_mode(name, told) == "max" else min
        found = self._having(name)
        finite = [record for record in found if math.isfinite(record[name])]
        return pick(finite or found, key=lambda record: record[name])

    def direction(self, name):
        """Return "min" or "max", whether a smaller or larger value is better; None if unknown."""
        return self.modes.get(name) or direction(name)

    def last(self):
        """Return the latest value of every name."""
        return {name: value for record in self.records for name, value in record.items()}

    def plot(self, *, title=""):
        """Return a matplotlib Figure of all curves; a notebook shows it, ``savefig`` writes it.

        See `firstlight.tools.figures.curves`.
        """
        from firstlight.tools.figures import curves

        return curves(self, title=title)

    def _having(self, name):
        found = [record for record in self.records if name in record]
        if not found:
            raise KeyError(f"nothing was logged as {name!r}; there are: {', '.join(self.keys())}")
        return found

    def __repr__(self):
        return f"History({len(self.records)} records of {', '.join(self.keys())})"
