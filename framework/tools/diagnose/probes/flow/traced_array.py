"""Array that knows which sample each of its entries belongs to, and which statistics it contains.

A script that runs on such arrays shows how its samples reach its steps and its evaluations.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place


@dataclass(eq=False)
class Source:
    """An array of samples in a script: its rows are the samples.

    Attributes
    ----------
    name : str
    at : Place
        Where it was assigned.
    values : array
        A copy.
    first : int
        Number of its first sample; arrays of the same length share their samples.
    parts : array or None
        Numbers of the samples of other arrays that each row consists of, such as a window's.
    live : int or None
        The id of the array, while its rows are in the same order.
    """

    name: str
    at: Place
    values: Array
    first: int
    parts: Array | None = None
    live: int | None = None

    @property
    def numbers(self) -> Array:
        """Its samples."""
        return self.first + np.arange(len(self.values))


@dataclass(eq=False)
class Holder:
    """A part of the samples under a name.

    Attributes
    ----------
    name : str
    at : Place
        Where it was assigned.
    samples : array of int
        In the order of its rows.
    index : int
        Number of arrays that were assigned before.
    parent : Holder or None
        What it was taken from.
    """

    name: str
    at: Place
    samples: Array
    index: int
    parent: "Holder | None" = None

    @property
    def first(self) -> "Holder":
        """The first one of the same samples in the same order."""
        found = self
        while found.parent and np.array_equal(found.samples, found.parent.samples):
            found = found.parent
        return found


@dataclass(eq=False)
class Reduction:
    """A number or an array that a script computed from several samples.

    Attributes
    ----------
    samples : array of int
    at : Place
    index : int
        Number of events before it.
    loops : tuple of Turn
    function : callable
        Computes it from ``values``.
    values, ids : array
        What it was computed from, and the samples.
    fitted : bool
        Whether it depends on trained parameters.
    forward : int
        As in `Origin`.
    holder : Holder or None
        Of the samples.
    calls : tuple
        The functions of the script that were running, innermost first, and their lines.
    origin : Origin
        Of the values.
    """

    samples: Array
    at: Place
    index: int
    loops: tuple[Any, ...]
    function: Any
    values: Array
    ids: Array
    fitted: bool
    forward: int
    holder: Holder | None
    calls: tuple[Any, ...]
    origin: "Origin"


@dataclass(eq=False)
class Draw:
    """An array of random numbers, drawn after the training began.

    Attributes
    ----------
    at : Place
    index : int
        Number of events before it.
    shape : tuple of int
    binary : bool
        Whether it was made a mask.
    mask : array or None
        As it was applied to what depends on trained parameters.
    """

    at: Place
    index: int
    shape: tuple[int, ...]
    binary: bool = False
    mask: Array | None = None


@dataclass
class Origin:
    """Where the entries of an array come from.

    Attributes
    ----------
    ids : array of int or None
        Number of the sample of each entry, -1 without; its axes have length 1 along which all
        entries belong to the same sample. None if no entry belongs to a single one.
    source : Source or None
        The array of samples it is derived from.
    reductions : frozenset of Reduction
        That contributed to it.
    fitted : bool
        Whether it depends on trained parameters.
    forward : int
        Number of events before the latest product with them.
    holder : Holder or None
        The latest array with a name that it is a part of.
    draws : frozenset of Draw
        That contributed to it.
    """

    ids: Array | None = None
    source: Source | None = None
    reductions: frozenset[Reduction] = field(default_factory=frozenset)
    fitted: bool = False
    holder: Holder | None = None
    forward: int = -1
    draws: frozenset[Draw] = frozenset()


class TracedArray(np.ndarray):
    """An array with an `Origin`; everything that NumPy computes from it has one too."""

    origin: Origin
    rules: Any  # `traced_rules.Rules` of the run

    def __array_finalize__(self, obj: Any) -> None:
        """Inherit the origin of an array of the same shape."""
        old = getattr(obj, "origin", None)
        self.rules = getattr(obj, "rules", None)
        same = old is not None and old.ids is not None and np.shape(obj) == self.shape
        ids = old.ids.copy() if same else None
        self.origin = dataclasses.replace(old, ids=ids) if old else Origin()

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        return self.rules.ufunc(ufunc, method, inputs, out, options)

    def __array_function__(self, func, types, args, kwargs):
        return self.rules.function(func, args, kwargs)

    def __getitem__(self, key):
        return self.rules.item(self, key)

    def __setitem__(self, key, value):
        self.rules.write(self, key, value)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def __reduce__(self):
        return plain(self).__reduce__()

    def __round__(self, digits=None):
        return round(self.item(), digits)

    def __hash__(self):
        return hash(self.item())

    def __deepcopy__(self, memo):
        return self.copy()

    @property
    def T(self):
        return np.transpose(self)

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, axes or None)

    def reshape(self, *shape, order="C"):
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def flatten(self, order="C"):
        return np.ravel(self, order=order).copy()

    def sort(self, axis=-1, **_):
        self[...] = np.sort(self, axis=axis)

    def __matmul__(self, other):
        return np.matmul(self, other)


def _as_function(name):
    def method(self, *args, **kwargs):
        return getattr(np, name)(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in (
    *("mean", "std", "var", "sum", "max", "min", "prod", "any", "all", "argmax", "argmin"),
    *("ravel", "swapaxes", "squeeze", "repeat", "take", "clip", "argsort", "dot", "cumsum"),
    *("round", "nonzero", "diagonal", "trace", "compress", "ptp"),
):
    if hasattr(np, _name):
        setattr(TracedArray, _name, _as_function(_name))


def plain(value: Any) -> Any:
    """Return a value with NumPy arrays in place of traced ones, also in lists, tuples and dicts."""
    if isinstance(value, TracedArray):
        return value.view(np.ndarray)
    if type(value) in (list, tuple):
        return type(value)(plain(part) for part in value)
    if type(value) is dict:
        return {name: plain(part) for name, part in value.items()}
    return value


def traced_in(value: Any) -> list[TracedArray]:
    """Return the traced arrays in nested lists, tuples and dicts."""
    if isinstance(value, TracedArray):
        return [value]
    parts = value.values() if type(value) is dict else value
    if type(value) in (list, tuple, dict):
        return [one for part in parts for one in traced_in(part)]
    return []
