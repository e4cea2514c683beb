"""DataSplits: the train, validation and test data of a task; loaders from any form of data.

A *data set* (`firstlight.data.dataset`) holds samples. A *loader* (`firstlight.data.loader`) yields
batches of them. *Splits* are the train, validation and test sets of one task. `Trainer.fit`,
`validate`, `test` and `predict` accept any of these, and plain arrays.
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from firstlight.data.dataset import ArrayDataset, as_dataset, transform_of
from firstlight.data.labels import check_labels, counted_classes
from firstlight.data.loader import DataLoader
from firstlight.data.named_loaders import NamedLoaders, by_name
from firstlight.data.transforms import Transform
from firstlight.support.arguments import parse_count
from firstlight.support.batches import describe_batch, inputs_of, mapped
from firstlight.support.html import table

if TYPE_CHECKING:
    from firstlight.data.tokenizers import Tokenizer

SPLITS = ("train", "val", "test")
SHOWN = 6  # class names in one line
BATCH_SIZE = 32  # by default, if there are that many samples


@dataclass(repr=False)
class DataSplits:
    """Train, validation and test data of one task, with their batch size and transforms.

    Attributes
    ----------
    train, val, test : data set, array, tuple or dict of arrays, or None
        Arrays become an `ArrayDataset`; with several inputs or targets, in dicts or tuples, a
        `firstlight.data.nested.NestedDataset`.
    name : str
    input_shape : tuple of int, optional
        Shape of one transformed sample, e.g. (28, 28, 1); by default read from the first training
        sample. Of several inputs, a dict or tuple of shapes.
    classes : list of str or None
        Names of the classes; None for regression and for text.
    batch_size : int, optional
        32, or all training samples if there are fewer.
    transform : callable or None
        ``f(batch, rng) -> batch``: scales the samples of all three splits, whether they are taken
        by a loader or by index; not random.
    augment : callable or None
        ``f(batch, rng) -> batch``: random changes of training batches, after the transform.
    info : dict
        Further facts, e.g. the source; JSON-able.
    tokenizer : firstlight.data.tokenizers.Tokenizer, optional
        Decodes x to text; saved in the run's folder as ``tokenizer.json``.
    num_workers, workers : int, {"threads", "processes"}
        What creates the batches; see `DataLoader`.

    Attributes
    ----------
    loaded_as : tuple (str, dict) or None
        Name and arguments with which `firstlight.datasets.load` has made these splits.

    Raises
    ------
    ValueError
        Labels outside 0 ... number of classes - 1; a batch_size below 1.
    TypeError
        Labels or a batch_size that are not integers.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import DataSplits
    >>> x, y = np.zeros((6, 3)), np.array([0, 1, 0, 1, 0, 1])
    >>> splits = DataSplits((x[:4], y[:4]), val=(x[4:], y[4:]), classes=["no", "yes"], batch_size=2)
    >>> splits.input_shape, len(splits.loader("train")), splits.loader("test")
    ((3,), 2, None)
    """

    train: Any
    val: Any = None
    test: Any = None
    name: str = "data"
    input_shape: Any = None
    classes: list[str] | None = None
    batch_size: int | None = None
    transform: Transform | None = None
    augment: Transform | None = None
    info: dict[str, Any] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None
    num_workers: int = 0
    workers: str = "threads"
    loaded_as: ClassVar[tuple[str, dict[str, Any]] | None] = None

    def __post_init__(self) -> None:
        """Turn arrays into data sets, and check the labels."""
        if self.train is None:
            raise TypeError(f"{self.name}: expected training data, got None")
        for split, data in self.parts.items():
            data = as_dataset(data, f"{self.name} ({split})", self.transform)
            setattr(self, split, data)
            if self.tokenizer is None:
                check_labels(data, self.classes, self.name, split)
            self._check_shape(data, split)
        self.transform = transform_of(self.train)
        if self.classes is None and self.tokenizer is None:
            self.classes = counted_classes(list(self.parts.values()))
        if self.transform is None and self.augment is None and self.tokenizer is None:
            _warn_of_bytes(self.train, self.name)
        if self.input_shape is None:
            self.input_shape = _input_shapes(self.train)
        size = parse_count(f"{self.name}: batch_size", self.batch_size, optional=True)
        self.batch_size = size or min(BATCH_SIZE, len(self.train))

    def loader(self, split: str, *, training: bool = True) -> DataLoader | None:
        """Return the `DataLoader` of "train" (shuffled), "val" or "test"; None if it is missing.

        Parameters
        ----------
        split : {"train", "val", "test"}
        training : bool, optional
            If False, the training samples come in order and without augmentation.
        """
        if split not in SPLITS:
            raise ValueError(f'{self.name}: expected split "train", "val" or "test", got {split!r}')
        data, training = getattr(self, split), split == "train" and training
        if data is None:
            return None
        size = self.batch_size if training else min(self.batch_size, len(data))
        return DataLoader(
            data,
            batch_size=size,
            shuffle=training,
            drop_last=training and drops_last(data, size),
            transform=self.augment if training else None,
            num_workers=self.num_workers,
            workers=self.workers,
        )

    def __repr__(self) -> str:
        sizes = [f"{len(data)} {split}" for split, data in self.parts.items()]
        return f"DataSplits({self.name}: {', '.join(sizes)}; x {self.input_shape}, {self.kind})"

    def _repr_html_(self) -> str:
        rows = [("split", "x", "y", "samples", "batches")]
        for split, data in self.parts.items():
            batch = data[np.arange(1)]
            arrays = [describe_sample(part) for part in _parts_of(batch)]
            rows.append((split, *[*arrays, ""][:2], f"{len(data):,}", len(self.loader(split))))
        return table(rows, left=3, below=[f"{self.name}, {self.describe_target()}"])

    @property
    def parts(self) -> dict[str, Any]:
        """The data sets by split, "train", "val", "test", without missing ones."""
        return {s: data for s in SPLITS if (data := getattr(self, s)) is not None}

    @property
    def is_nested(self) -> bool:
        """Whether there are several inputs, or all arrays are in a dict."""
        return isinstance(self.train[np.arange(1)], dict) or not all(
            isinstance(size, int) for size in self.input_shape
        )

    @property
    def kind(self) -> str:
        """The kind of target: "regression", "10 classes" or "65 tokens"."""
        if self.tokenizer is not None:
            return f"{self.tokenizer.vocab_size} tokens"
        if self.classes is None and isinstance(self.train[np.arange(1)], dict):
            return "a dict a batch"
        return "regression" if self.classes is None else f"{len(self.classes)} classes"

    def describe_target(self) -> str:
        """Describe the target in one line.

        Examples
        --------
        >>> from firstlight.datasets import load
        >>> load("digits").describe_target(), load("polynomial").describe_target()
        ('target: 10 classes (0, 1, 2, 3, 4, 5, ...)', 'target: regression, 1 value a sample')
        """
        column = self.info.get("target")
        head = f"target {column}" if isinstance(column, str) else "target"
        sample = self.train[np.arange(1)]
        if isinstance(sample, dict):
            return f"samples: {describe_sample(sample)}"
        if self.tokenizer is None and len(sample) < 2:
            return "target: none, inputs only"
        if self.tokenizer is None and self.classes is None and not hasattr(sample[1], "shape"):
            return f"targets: {describe_sample(sample[1])}"
        if self.tokenizer is None and self.classes is None:
            values = prod(sample[1].shape[1:])
            return f"{head}: {self.kind}, {values} value{'s' * (values > 1)} a sample"
        names = [] if self.classes is None else [str(name) for name in self.classes]
        shown = f" ({listed(names)})" if names else ""
        return f"{head}: {self.kind}{shown}"

    def describe_encoding(self) -> list[str]:
        """Describe in a line how a table's columns are encoded; no line if they are not."""
        columns, entries = self.info.get("columns"), self.info.get("encoding")
        if not entries:
            return []
        gaps = [entry["column"] for entry in entries if entry["gaps"]]
        filled = f", gaps filled in {listed(gaps)}" if gaps else ""
        count = f"{len(columns)} column{'s' * (len(columns) != 1)}"
        return [f"inputs: {count} as {self.input_shape[-1]} features{filled}"]

    def _check_shape(self, data, split):
        here, first = (_input_shapes(part) for part in (data, self.train))
        if here != first:
            raise ValueError(
                f"{self.name}: expected samples of shape {first} in {split}, as in training, got "
                f"{here}"
            )
        check_alike(self.train, data, f"{self.name}: {split}")


def describe_sample(batch: Any) -> str:
    """Describe arrays of a batch of one: dtypes and shapes of one sample."""
    return describe_batch(mapped(lambda array: array[0], batch))


def _parts_of(batch):
    return batch if isinstance(batch, tuple) else (batch,)


def _input_shapes(data):
    """Return the shape of one sample's inputs, of several in their structure."""
    return mapped(lambda array: array.shape[1:], inputs_of(data[np.arange(1)]))


def listed(names: list[str]) -> str:
    """Return the first names, separated by commas."""
    return ", ".join(names[:SHOWN] + ["..."] * (len(names) > SHOWN))


def check_alike(one: Any, other: Any, name: str) -> None:
    """Raise a ValueError if x is uint8 in only one of two data sets.

    Under one transform, or none, the arrays must be alike; if each has its own scale, the samples.
    """
    both = [data for data in (one, other) if type(data) is ArrayDataset]
    shared = len({id(data.transform) for data in both}) == 1
    arrays = [data.arrays[0] if shared else data[np.arange(1)][0] for data in both]
    if len({array.dtype == np.uint8 for array in arrays}) > 1:
        raise ValueError(
            f"{name}: expected x of one kind, got {arrays[0].dtype} and {arrays[1].dtype}; a scale "
            "that fits uint8 (0 ... 255) does not fit the other: give both as uint8, or neither"
        )


def train_and_val_loaders(data: Any, val_data: Any = None) -> tuple[Any, Any]:
    """Return ``(train_loader, val_loader or None)`` for the arguments of ``fit``.

    Parameters
    ----------
    data, val_data
        `DataSplits`, an array, a tuple of arrays, a data set, or a loader. ``val_data`` takes
        precedence over the validation data of the splits, and may be a dict of such by name.
    """
    train = as_loader(data, "train")
    if isinstance(data, dict) and isinstance(val_data, dict) and data.keys() == val_data.keys():
        val_data = as_dataset(val_data, "val data")  # no sets by name
    if val_data is not None:
        val = as_loader(val_data, "val")
        if isinstance(val, NamedLoaders):  # each with its own position
            loaders = val.loaders.items()
            val = NamedLoaders({n: copy(v) if v is train else v for n, v in loaders})
        given = val_data if isinstance(val_data, dict) else {"": val_data}
        for name, one in given.items():
            if isinstance(data, tuple) and isinstance(one, tuple):
                check_alike(train.data, by_name(val)[name].data, "data and val_data")
        return train, val
    return train, data.loader("val") if isinstance(data, DataSplits) else None


def as_loader(data: Any, split: str) -> Any:
    """Return a loader of any form of data.

    Parameters
    ----------
    data
        `DataSplits`, from which ``split`` is used; an array, a tuple of arrays or a data set, which
        are shuffled for "train" only; or a loader, which passes unchanged: a `DataLoader`, a list
        of batches (tuples), or any other iterable over batches with ``len()``. For "val" and
        "test" also a dict of these by name, which becomes `NamedLoaders`.
    split : {"train", "val", "test"}

    Raises
    ------
    ValueError
        The `DataSplits` lack this split.
    TypeError
        The data has another form.
    """
    if isinstance(data, DataSplits):
        loader = data.loader(split)
        if loader is None:
            raise ValueError(
                f"{data.name} has no {split} data, only {', '.join(data.parts)}; "
                f"pass {split} data as an array, a tuple (x, y) or a loader"
            )
        return loader
    if _is_loader(data):
        return data
    if isinstance(data, dict) and split != "train" and not data.keys() & {"x", "y"}:
        return NamedLoaders({name: as_loader(one, split) for name, one in data.items()})
    found, training = as_dataset(data, name=f"{split} data"), split == "train"
    if found is not data:
        _warn_of_bytes(found, f"{split} data")
    size = max(1, min(BATCH_SIZE, len(found)))
    return DataLoader(found, size, shuffle=training, drop_last=training and drops_last(found, size))


def unshuffled(loader: Any) -> Any:
    """Return a `DataLoader` without shuffling; loaders of other classes pass unchanged."""
    if not isinstance(loader, DataLoader):
        return loader
    return DataLoader(loader.data, loader.batch_size, transform=loader.transform)


def drops_last(data: Any, batch_size: int) -> bool:
    """Return whether to drop a last batch that is not full.

    It is dropped if it has one sample, for which BatchNorm has no variance. It is also dropped if
    samples are drawn, because then none is lost.
    """
    return hasattr(data, "draw") or (len(data) > batch_size and len(data) % batch_size == 1)


def _warn_of_bytes(data, name):
    if type(data) is ArrayDataset and data.transform is None and data.arrays[0].dtype == "uint8":
        warnings.warn(
            f"{name}: x is uint8 and reaches the network as it is, 0 ... 255. If these are pixels, "
            "pass DataSplits(..., transform=transforms.Scale(255)), or use datasets.from_arrays, "
            "which scales them; if not, x.astype('int64') silences this",
            stacklevel=4,
        )


def _is_loader(data):
    if isinstance(data, list):  # of batches; other lists are refused
        return bool(data) and all(isinstance(batch, (tuple, dict)) for batch in data)
    return (
        hasattr(data, "__iter__")
        and hasattr(data, "__len__")
        and not hasattr(data, "__getitem__")  # that would be a data set
    )
