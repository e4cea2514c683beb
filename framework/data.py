"""Data: the splits of a task, and loaders from whatever holds data.

A *data set* (`firstlight.dataset`) holds samples, a *loader* (`firstlight.loader`) makes batches
of them, *splits* are the train, validation and test sets of one task. `Trainer.fit`, `validate`,
`test` and `predict` take any of these, and plain arrays; the two functions below sort that out.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

from firstlight.dataset import ArrayDataset, as_dataset, transform_of
from firstlight.limits import parse_count
from firstlight.loader import DataLoader

__all__ = [
    "ArrayDataset",
    "DataLoader",
    "DataSplits",
    "as_dataset",
    "as_loader",
    "train_and_val_loaders",
]

SPLITS = ("train", "val", "test")
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
    tokenizer : firstlight.tokenizers.Tokenizer, optional
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
                self._check_labels(data, split)
                self._check_shape(data, split)
        self.transform = transform_of(self.train)
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

    def _check_shape(self, data, split):
        here, first = (part[np.arange(1)][0].shape[1:] for part in (data, self.train))
        if here != first:
            raise ValueError(
                f"{self.name}: expected samples of shape {first} in {split}, as in training, got "
                f"{here}"
            )

    def _check_labels(self, data, split):
        arrays = getattr(data, "arrays", ())
        if self.classes is None or len(arrays) < 2 or arrays[1].ndim != 1:
            return
        y, count = arrays[1], len(self.classes)
        if y.dtype.kind not in "biu":
            raise TypeError(
                f"{self.name}: expected integer labels 0 ... {count - 1} in {split}, got dtype "
                f"{y.dtype}; write y.astype(int), or leave out classes for regression"
            )
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= count:
            raise ValueError(
                f"{self.name}: expected labels 0 ... {count - 1} ({count} classes), got labels "
                f"from {low} to {high} in {split}; number the classes from 0, or name all of them"
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
        return train, as_loader(val_data, "val")
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
