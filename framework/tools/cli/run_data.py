"""Data that a run's model is evaluated on: its own or others, prepared as its own were."""

import inspect
import warnings

from firstlight.data.preprocessing import FILE, Preprocessing
from firstlight.data.splits import SPLITS
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import resolved

SIZES = ("val_size", "test_size")
PLACES = ("target", "columns")  # of the run's own table; others have the run's names


def make(folder, data, config, words, own):
    """Return `DataSplits` with the run's classes, columns and scale.

    A file that is not the run's own is not split, unless sizes are given: all of its samples are
    what is to be evaluated, whichever split is asked for.

    Parameters
    ----------
    folder : Path
        Of the run.
    data : Choice
        What the data are to be.
    config : dict
        What the run's own data were, from ``config.json``.
    words : list of str
        Flags that the user gave.
    own : callable
        Returns the run's own `Arguments`, for an old run that keeps no preprocessing.
    """
    takes = inspect.signature(data.target).parameters
    mine = config if isinstance(config, dict) else {"name": config}
    other = _identity(data.name, data.values) != _identity(mine.get("name"), mine)
    like = _kept(folder, own, other)
    given = {word.removeprefix("--data.").partition("=")[0].replace("-", "_") for word in words}
    if "like" in takes and "like" not in given:
        data.values["like"] = like
    if other:
        data.values = {n: v for n, v in data.values.items() if n not in PLACES or n in given}
    elif moved := {n for n in (*SIZES, "seed") if n in given and data.values[n] != mine.get(n)}:
        flags = ", ".join(f"--data.{name}" for name in sorted(moved))
        warnings.warn(
            f"{flags}: the run's data are split otherwise than they were for its training, so that "
            "it may be evaluated on samples that it was trained on; leave out what splits them",
            stacklevel=2,
        )
    whole = other and "path" in takes and takes.keys() >= set(SIZES) and given.isdisjoint(SIZES)
    if whole:
        data.values |= dict.fromkeys(SIZES, 0)
    splits = data.make_data()
    if like is not None and "like" not in takes:
        splits = like.applied_to(splits)
    if whole:
        for split in SPLITS:
            setattr(splits, split, getattr(splits, split) or splits.train)
    return splits


def _identity(name, values):
    """Return what tells whether two choices of data are the same: name and file."""
    return name, resolved(values.get("path"))


def _kept(folder, own, other):
    """Return the `Preprocessing` of a run; of an old run that keeps none, that of its data.

    None is for an old run whose own data are loaded, which makes it again.
    """
    found = Preprocessing.of_run(folder)
    if found is not None or not other:
        return found
    try:
        return Preprocessing.of(own()[0].data.make_data())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"run {folder} keeps no {FILE}, from which other data would get its classes and scale, "
            f"and its own data cannot be loaded: {error}"
        ) from error
