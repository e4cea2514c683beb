"""NamedLoaders: several sets of validation data by name, each with its loader."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any


class NamedLoaders:
    """Several loaders by name; their batches come one loader after the other.

    `Trainer.fit`, ``validate`` and ``test`` create it for a dict such as
    ``{"clean": ..., "noisy": ...}``.

    Parameters
    ----------
    loaders : dict of str to loader

    Raises
    ------
    ValueError
        There is no loader, or a name has other characters than letters, digits and ``_ . -``.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.data.named_loaders import NamedLoaders
    >>> parts = {name: fl.datasets.load("digits").loader(name) for name in ("val", "test")}
    >>> len(NamedLoaders(parts)) == len(parts["val"]) + len(parts["test"])
    True
    """

    def __init__(self, loaders: dict[str, Any]) -> None:
        if not loaders:
            raise ValueError('expected validation data by name, e.g. {"clean": ...}, got {}')
        for name in loaders:
            if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(
                    "the name of validation data: expected letters, digits and _ . - since metrics "
                    f"are named after it, such as val_loss/clean; got {name!r}"
                )
        self.loaders: dict[str, Any] = loaders

    def __len__(self) -> int:
        return sum(map(len, self.loaders.values()))

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.loaders.values())

    def __copy__(self) -> NamedLoaders:
        return NamedLoaders({name: copy.copy(one) for name, one in self.loaders.items()})

    def keep_on(self, device: str) -> None:
        """Keep the samples on a device; see `DataLoader.keep_on`."""
        for one in self.loaders.values():
            if hasattr(one, "keep_on"):
                one.keep_on(device)

    def state_dict(self) -> dict[str, Any]:
        """Return ``{"by_name": {name: position}}`` of the loaders that have a position."""
        found = {n: one for n, one in self.loaders.items() if hasattr(one, "state_dict")}
        return {"by_name": {name: one.state_dict() for name, one in found.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the positions; a loader whose name is new starts at its beginning."""
        positions = state.get("by_name", {})
        for name, one in self.loaders.items():
            if name in positions and hasattr(one, "load_state_dict"):
                one.load_state_dict(positions[name])


def by_name(loader: Any) -> dict[str, Any]:
    """Return loaders by name; a loader alone has the name ""."""
    return loader.loaders if isinstance(loader, NamedLoaders) else {"": loader}
