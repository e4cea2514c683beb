"""Data: the splits of a task, and loaders from whatever holds data.

A *data set* (`firstlight.data.dataset`) holds samples, a *loader* (`firstlight.data.loader`) makes
batches of them, *splits* are the train, validation and test sets of one task. `Trainer.fit`,
`validate`, `test` and `predict` take any of these, and plain arrays; the two functions below sort
that out.
"""

import warnings
from dataclasses import dataclass, field
from math import prod

import numpy as np

from firstlight.data.dataset import ArrayDataset, as_dataset, transform_of
from firstlight.data.labels import check_labels, counted_classes
from firstlight.data.loader import DataLoader
from firstlight.support.arguments import parse_count

__all__ = [
    "ArrayDataset",
    "DataLoader",
    "DataSplits",
    "as_dataset",
    "as_loader",
    "train_and_val_loaders",
]

SPLITS = ("train", "val", "test")
SHOWN = 6  # names of classes in a line
READERS = {".csv": "csv", ".npz": "npz", ".npy": "npz", ".txt": "text"}  # data sets of files
BATCH_SIZE = 32  # of plain arrays and of splits that name no other, if there are that many samples


@dataclass(repr=False)
class DataSplits:
    """Train, validation and test data of one task, and how to batch them.

    Attributes
    ----------
    train, val, test : data set, array, tuple of arrays, or None
        Arrays become an `ArrayDataset`.
    name : str
    input_shape : tuple of int, optional
        Shape of one sample as the model gets it, e.g. (28, 28, 1); by default that of the first
        training sample.
    classes : list of str or None
        Names of the classes; None for regression and for text.
    batch_size : int, optional
        32, or all training samples if there are fewer.
    transform : callable or None
        ``f(batch, rng) -> batch``: what scales the samples of all three splits, whether they are
        taken out by a loader or by index; nothing random.
    augment : callable or None
        ``f(batch, rng) -> batch``: random changes of training batches, which are scaled already.
    info : dict
        What else there is to say, e.g. the source; JSON-able.
    tokenizer : firstlight.data.tokenizers.Tokenizer, optional
        Of text: what turns x back into it. A run keeps it as ``tokenizer.json``.

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

    train: object
    val: object = None
    test: object = None
    name: str = "data"
    input_shape: tuple | None = None
    classes: list | None = None
    batch_size: int | None = None
    transform: object = None
    augment: object = None
    info: dict = field(default_factory=dict)
    tokenizer: object = None

    def __post_init__(self):
        """Turn arrays into data sets, and check the labels once, here on the host."""
        if self.train is None:
            raise TypeError(f"{self.name}: expected training data, got None")
        for split in SPLITS:
            data = getattr(self, split)
            if data is not None:
                data = as_dataset(data, f"{self.name} ({split})", self.transform)
                setattr(self, split, data)
                if self.tokenizer is None:
                    check_labels(data, self.classes, self.name, split)
                self._check_shape(data, split)
        self.transform = transform_of(self.train)
        if self.classes is None and self.tokenizer is None:
            self.classes = counted_classes([getattr(self, split) for split in SPLITS])
        if self.transform is None and self.augment is None and self.tokenizer is None:
            _warn_of_bytes(self.train, self.name)
        if self.input_shape is None:
            x = self.train[np.arange(1)][0]  # (1, ...)
            self.input_shape = x.shape[1:]
        size = parse_count(f"{self.name}: batch_size", self.batch_size, optional=True)
        self.batch_size = size or min(BATCH_SIZE, len(self.train))

    def loader(self, split, *, training=True):
        """Return the `DataLoader` of "train" (shuffled), "val" or "test", or None without one.

        Parameters
        ----------
        split : {"train", "val", "test"}
        training : bool, optional
            False goes through the training samples in order, each as it is; by default "train"
            is shuffled and augmented.
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
        )

    def __repr__(self):
        sizes = [f"{len(d)} {s}" for s in SPLITS if (d := getattr(self, s)) is not None]
        return f"DataSplits({self.name}: {', '.join(sizes)}; x {self.input_shape}, {self.kind})"

    @property
    def kind(self):
        """What is to be learned, in two words: regression, or how many classes or tokens."""
        if self.tokenizer is not None:
            return f"{self.tokenizer.vocab_size} tokens"
        return "regression" if self.classes is None else f"{len(self.classes)} classes"

    def describe_target(self):
        """Return one line that says what the targets were taken for.

        Examples
        --------
        >>> from firstlight.datasets import load
        >>> load("digits").describe_target(), load("polynomial").describe_target()
        ('target: 10 classes (0, 1, 2, 3, 4, 5, ...)', 'target: regression, 1 value a sample')
        """
        column = self.info.get("target")
        head = f"target {column}" if isinstance(column, str) else "target"
        sample = self.train[np.arange(1)]
        if self.tokenizer is None and len(sample) < 2:
            return "target: none, inputs only"
        if self.tokenizer is None and self.classes is None:
            values = prod(sample[1].shape[1:])
            return f"{head}: {self.kind}, {values} value{'s' * (values > 1)} a sample"
        names = [] if self.classes is None else [str(name) for name in self.classes]
        more = ["..."] * (len(names) > SHOWN)
        shown = f" ({', '.join(names[:SHOWN] + more)})" if names else ""
        return f"{head}: {self.kind}{shown}"

    def _check_shape(self, data, split):
        here, first = (part[np.arange(1)][0].shape[1:] for part in (data, self.train))
        if here != first:
            raise ValueError(
                f"{self.name}: expected samples of shape {first} in {split}, as in training, got "
                f"{here}"
            )
        check_alike(self.train, data, f"{self.name}: {split}")


def check_alike(one, other, name):
    """Raise a ValueError if x is uint8 in one data set, and not in the other."""
    arrays = [data.arrays[0] for data in (one, other) if type(data) is ArrayDataset]
    if len({array.dtype == np.uint8 for array in arrays}) > 1:
        raise ValueError(
            f"{name}: expected x of one kind, got {arrays[0].dtype} and {arrays[1].dtype}; a scale "
            "that fits uint8 (0 ... 255) does not fit the other: give both as uint8, or neither"
        )


def train_and_val_loaders(data, val_data=None):
    """Return ``(train_loader, val_loader or None)`` from what a user gave to ``fit``.

    Parameters
    ----------
    data, val_data
        `DataSplits`, an array, a tuple of arrays, a data set, or a loader. ``val_data`` goes
        before the validation data of the splits.
    """
    train = as_loader(data, "train")
    if val_data is not None:
        val = as_loader(val_data, "val")
        if isinstance(data, tuple) and isinstance(val_data, tuple):
            check_alike(train.data, val.data, "data and val_data")
        return train, val
    return train, data.loader("val") if isinstance(data, DataSplits) else None


def as_loader(data, split):
    """Return a loader of whatever holds data.

    Parameters
    ----------
    data
        `DataSplits`, which give their split; an array, a tuple of arrays or a data set, which
        are shuffled for "train" only; or a loader, which passes as it is: a `DataLoader`, a list
        of batches (tuples), or anything else with ``len()`` that iterates over batches.
    split : {"train", "val", "test"}

    Raises
    ------
    ValueError
        The splits have no such split.
    TypeError
        The data is nothing of this kind.
    """
    if isinstance(data, DataSplits):
        loader = data.loader(split)
        if loader is None:
            there = [s for s in SPLITS if getattr(data, s) is not None]
            raise ValueError(
                f"{data.name} has no {split} data, only {', '.join(there)}; "
                f"pass {split} data as an array, a tuple (x, y) or a loader"
            )
        return loader
    if _is_loader(data):
        return data
    found, training = as_dataset(data, name=f"{split} data"), split == "train"
    if found is not data:
        _warn_of_bytes(found, f"{split} data")
    size = max(1, min(BATCH_SIZE, len(found)))
    return DataLoader(found, size, shuffle=training, drop_last=training and drops_last(found, size))


def unshuffled(loader):
    """Return a loader of the same batches each epoch; one that is not ours passes as it is."""
    if not isinstance(loader, DataLoader):
        return loader
    return DataLoader(loader.data, loader.batch_size, transform=loader.transform)


def drops_last(data, batch_size):
    """Tell whether to leave out a last batch that is not full.

    It is where it would be a lone sample, of which BatchNorm has no variance, or where samples
    are drawn anew each time, so that none is lost.
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
    if isinstance(data, list):  # batches made beforehand; other lists are values to be refused
        return bool(data) and all(isinstance(batch, (tuple, dict)) for batch in data)
    return (
        hasattr(data, "__iter__")
        and hasattr(data, "__len__")
        and not hasattr(data, "__getitem__")  # that would be a data set
    )
