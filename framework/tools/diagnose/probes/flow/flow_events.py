"""Steps and comparisons of a script that computes with traced arrays, and their samples."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.flow.traced_array import Holder, Origin, Reduction, Source
from firstlight.tools.diagnose.probes.script.events import Event


@dataclass
class Step:
    """The samples of one step of a training.

    Attributes
    ----------
    event : Event
        The update of a parameter.
    at : Place
        Of the update, or of the forward before it.
    samples : array of int
    statistics : list of Reduction
        From before the step, that its inputs contain.
    holder : Holder or None
        Of the samples.
    key : Any
        Of the updated value.
    """

    event: Event
    at: Place
    samples: Array
    statistics: list[Reduction]
    holder: Holder | None = None
    key: Any = None


@dataclass
class Pairing:
    """Predictions that a script compares with the labels of other samples.

    Attributes
    ----------
    at : Place
    inputs, labels : Source
    predicted, given : array of int
        The samples of both.
    holders : tuple
        Of both.
    """

    at: Place
    inputs: Source
    labels: Source
    predicted: Array
    given: Array
    holders: tuple[Holder | None, Holder | None] = (None, None)


@dataclass
class Entry:
    """Samples that enter a network.

    Attributes
    ----------
    index : int
        Number of events before.
    values : array
    origin : Origin
    """

    index: int
    values: Array
    origin: Origin

    @property
    def samples(self) -> Array:
        """The numbers of its samples."""
        return np.unique(self.origin.ids[self.origin.ids >= 0])


def union(parts: Iterable[Array]) -> Array:
    """Return all samples of several arrays, each once."""
    found = [np.ravel(one) for one in parts]
    return np.unique(np.concatenate(found)) if found else np.array([], dtype="int64")
