"""History: what a training logged, in memory."""

import math


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

    Examples
    --------
    >>> from firstlight.history import History
    >>> history = History()
    >>> history.add({"step": 10, "epoch": 1, "time": 0.1, "val_loss": 0.5})
    >>> history.add({"step": 20, "epoch": 2, "time": 0.2, "val_loss": 0.4})
    >>> history["val_loss"], history.steps("val_loss")
    ([0.5, 0.4], [10, 20])
    >>> history.best("val_loss")["epoch"]
    2
    """

    def __init__(self, records=()):
        self.records = list(records)

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
        return [record["step"] for record in self._having(name)]

    def best(self, name, mode="auto"):
        """Return the record in which a value is lowest ("min") or highest ("max").

        "auto" takes the highest accuracy and the lowest of everything else. What is not finite
        is never the best, unless there is nothing else.
        """
        pick = max if resolve_mode(name, mode) == "max" else min
        found = self._having(name)
        finite = [record for record in found if math.isfinite(record[name])]
        return pick(finite or found, key=lambda record: record[name])

    def last(self):
        """Return the latest value of every name."""
        return {name: value for record in self.records for name, value in record.items()}

    def plot(self, *, title=""):
        """Return a matplotlib Figure of all curves; a notebook shows it, ``savefig`` writes it.

        See `firstlight.figures.curves`.
        """
        from firstlight.figures import curves

        return curves(self, title=title)

    def _having(self, name):
        found = [record for record in self.records if name in record]
        if not found:
            raise KeyError(f"nothing was logged as {name!r}; there are: {', '.join(self.keys())}")
        return found

    def __repr__(self):
        return f"History({len(self.records)} records of {', '.join(self.keys())})"


def resolve_mode(name, mode="auto"):
    """Return "min" or "max": whether a smaller or a larger value of a metric is better.

    Raises
    ------
    ValueError
        The mode is neither "auto", "min" nor "max".
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f'mode: expected "auto", "min" or "max", got {mode!r}')
    if mode != "auto":
        return mode
    name = name.removesuffix("_step")
    return "max" if name.endswith(("acc", "accuracy", "auc", "f1")) else "min"
