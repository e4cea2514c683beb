"""NestedDataset: samples with several inputs or targets, in tuples and dicts of arrays."""

from typing import Any

from firstlight.data.dataset import ArrayDataset
from firstlight.support.batches import describe_batch, leaves, mapped


class NestedDataset:
    """Samples in a dict of arrays, or in a tuple that has dicts or tuples, such as ``(x, y)``.

    A batch has the same structure, with the samples' rows in each array. `DataSplits`, `DataLoader`
    and ``fit`` turn such data into this class themselves.

    Parameters
    ----------
    structure : dict or tuple
        Of arrays of one length, or of further dicts and tuples.
    name : str
        Used in messages.
    dtype : str
        Dtype of floating arrays.

    Raises
    ------
    ValueError
        No samples, different lengths, NaN or infinity.
    TypeError
        Values that are no numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.data.nested import NestedDataset
    >>> x = {"image": np.zeros((5, 8, 8, 1)), "age": np.zeros((5, 1))}
    >>> data = NestedDataset((x, np.arange(5)))
    >>> data
    NestedDataset(data: ({image: float32 (5, 8, 8, 1), age: float32 (5, 1)}, int64 (5,)))
    >>> x, y = data[np.array([0, 4])]
    >>> x["image"].shape, y.tolist()
    ((2, 8, 8, 1), [0, 4])
    """

    def __init__(self, structure: Any, *, name: str = "data", dtype: str = "float32") -> None:
        checked = iter(ArrayDataset(*leaves(structure), name=name, dtype=dtype).arrays)
        self.name: str = name
        self.structure: Any = mapped(lambda _: next(checked), structure)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The parts of the structure; of a tuple (x, y) x and y."""
        return self.structure if isinstance(self.structure, tuple) else (self.structure,)

    def __len__(self) -> int:
        return len(leaves(self.structure)[0])

    def __getitem__(self, indices: Any) -> Any:
        """Return samples; indices are an array of integers, a slice, a mask, or one integer."""
        return mapped(lambda array: array[indices], self.structure)

    def __repr__(self) -> str:
        return f"NestedDataset({self.name}: {describe_batch(self.structure)})"
