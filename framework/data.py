"""Data: sets, splits and the loader that makes batches of them.

A *data set* is anything with ``len()`` that gives a whole batch when indexed with an array of
indices. A *loader* decides order and batches. Nothing here has hidden random state: the order
of an epoch follows from (seed, epoch), a random transform from (seed, epoch, batch), so that a
loader's place is three numbers.
"""

from dataclasses import dataclass, field

import numpy as np

from firstlight import rng as randomness
from firstlight.prefetch import prefetched


class ArrayDataset:
    """Samples held in arrays whose first axis counts them.

    Parameters
    ----------
    *arrays : array_like, shape (N, ...)
        Usually inputs x and targets y. float64 inputs become float32, the dtype of models;
        pass ``dtype`` for another.
    name : str
        Used in messages.
    dtype : str
        Dtype of floating arrays.

    Raises
    ------
    ValueError
        No samples, different lengths, NaN or infinity.
    TypeError
        Values that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data import ArrayDataset
    >>> data = ArrayDataset(np.zeros((5, 3)), np.arange(5))
    >>> len(data), [a.shape for a in data[np.array([0, 4])]]
    (5, [(2, 3), (2,)])
    """

    def __init__(self, *arrays, name="data", dtype="float32"):
        if not arrays:
            raise ValueError(f"{name}: expected one or more arrays, got none")
        self.name = name
        self.arrays = tuple(self._checked(array, i, dtype) for i, array in enumerate(arrays))
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"{name}: arrays of one data set have one length, got {lengths}; "
                "pass (x, y) with one y for each x"
            )
        if lengths[0] == 0:
            raise ValueError(f"{name} is empty: expected at least one sample")

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, indices):
        """Return the samples at an array of indices: ``(x, y)``, or ``(x,)`` of a lone array."""
        return tuple(array[indices] for array in self.arrays)

    def _checked(self, array, position, dtype):
        array = np.asarray(array)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"{self.name}: expected numbers in array {position}, got dtype {array.dtype}; "
                "encode labels as integers 0, 1, ..."
            )
        if array.ndim == 0:
            raise ValueError(f"{self.name}: array {position} is a single number, not samples")
        if array.dtype.kind == "f":
            if not np.isfinite(array.sum(dtype="float64")):
                bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
                if bad.any():
                    raise ValueError(
                        f"{self.name}: array {position} has NaN or infinity in {bad.sum()} of "
                        f"{len(array)} samples, first in sample {bad.argmax()}; "
                        "clean the data before training"
                    )
            array = array.astype(dtype, copy=False)
        return array


@dataclass
class DataSplits:
    """Train, validation and test data of one task, and how to batch them.

    Attributes
    ----------
    train, val, test : data set or None
    name : str
    input_shape : tuple of int
        Shape of one sample as the model gets it, e.g. (28, 28, 1).
    classes : list of str or None
        Names of the classes; None for regression.
    batch_size : int
    transform, eval_transform : callable or None
        ``f(batch, rng) -> batch`` for training, and for validation and test.
    """

    train: object
    val: object = None
    test: object = None
    name: str = "data"
    input_shape: tuple = ()
    classes: list | None = None
    batch_size: int = 32
    transform: object = None
    eval_transform: object = None
    info: dict = field(default_factory=dict)

    def loader(self, split):
        """Return the `DataLoader` of "train" (shuffled), "val" or "test", or None without one."""
        if split not in ("train", "val", "test"):
            raise ValueError(f'{self.name}: expected split "train", "val" or "test", got {split!r}')
        data, training = getattr(self, split), split == "train"
        if data is None:
            return None
        return DataLoader(
            data,
            batch_size=min(self.batch_size, len(data)) if not training else self.batch_size,
            shuffle=training,
            transform=self.transform if training else self.eval_transform,
        )


class DataLoader:
    """Iterate over a data set in batches; each iteration is one epoch, the next one.

    Parameters
    ----------
    data : data set, array, or tuple of arrays
    batch_size : int
    shuffle : bool
        A new order each epoch.
    drop_last : bool
        Leave out a last batch that is not full.
    transform : callable, optional
        ``f(batch, rng) -> batch``, applied to each batch.
    prefetch : int
        Batches made ahead by a second thread; worth it for slow transforms.
    seed : int, optional
        Fixes order and transforms; the current seed of `firstlight.seed_everything` by default.

    Attributes
    ----------
    epoch : int
        The epoch under way, or the next one.
    batch : int
        Batches of it that were handed out.

    Raises
    ------
    ValueError
        A batch size below 1, or above the data's length.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import DataLoader
    >>> loader = DataLoader((np.arange(10.0), np.arange(10)), batch_size=4)
    >>> [len(x) for x, y in loader]
    [4, 4, 2]
    """

    def __init__(
        self,
        data,
        batch_size=32,
        *,
        shuffle=False,
        drop_last=False,
        transform=None,
        prefetch=0,
        seed=None,
    ):
        self.data = as_dataset(data)
        if not 1 <= batch_size <= len(self.data):
            raise ValueError(
                f"DataLoader: expected a batch_size from 1 to {len(self.data)}, the number of "
                f"samples, got {batch_size}"
            )
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.transform, self.prefetch = transform, prefetch
        self.seed = randomness.current_seed() if seed is None else seed
        self.epoch = self.batch = 0
        self._begun = False  # whether the epoch named above is, or was, under way

    def __len__(self):
        full, rest = divmod(len(self.data), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self):
        """Hand out the batches of the next epoch; after `load_state_dict`, those still left."""
        if self._begun:
            self.epoch, self.batch = self.epoch + 1, 0
        self._begun = True
        for batch in prefetched(self._batches(self.epoch, self.batch), self.prefetch):
            self.batch += 1
            yield batch

    def state_dict(self):
        """Return the place inside the epoch; all that is needed to go on from here."""
        return {"seed": self.seed, "epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state):
        """Go to a place that `state_dict` returned; the next iteration starts there."""
        self.seed, self.epoch, self.batch = state["seed"], state["epoch"], state["batch"]
        self._begun = self.batch >= len(self)

    def _batches(self, epoch, first):
        order = np.arange(len(self.data))
        if self.shuffle:
            randomness.derived("order", self.seed, epoch).shuffle(order)
        for index in range(first, len(self)):
            batch = self.data[order[index * self.batch_size : (index + 1) * self.batch_size]]
            if self.transform is not None:
                batch = self.transform(
                    batch, randomness.derived("augment", self.seed, epoch, index)
                )
            yield batch


def as_dataset(data, name="data"):
    """Turn an array or a tuple of arrays into an `ArrayDataset`; data sets pass as they are."""
    if isinstance(data, tuple):
        return ArrayDataset(*data, name=name)
    if isinstance(data, np.ndarray):
        return ArrayDataset(data, name=name)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, list):
        return data
    raise TypeError(
        f"{name}: expected an array, a tuple (x, y) of arrays, or a data set with len() and "
        f"indexing by arrays, got {type(data).__name__}"
    )
