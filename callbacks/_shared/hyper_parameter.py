"""HyperParameter: a number of the optimizer's groups or of modules, found by name."""

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import Any

from firstlight.callbacks._shared.optimizer_choice import chosen
from firstlight.module import Module
from firstlight.nn import Dropout
from firstlight.trainer import Trainer


class HyperParameter:
    """All places of a training that hold one hyper-parameter.

    Parameters
    ----------
    who : str
        Name of the callback, for messages.
    trainer : Trainer
        With its optimizer.
    name : str
        A number of the optimizer's groups: "lr", "momentum", "weight_decay"; "dropout", the ``p``
        of every `Dropout`; or a module's path and attribute, "body.2.p".
    optimizer : str, optional
        Name of the only optimizer to look in, if the model has several.

    Attributes
    ----------
    in_optimizer : bool
        Whether it acts in the optimizer's step, not in forward and backward.

    Raises
    ------
    ValueError
        There is no such number.
    """

    def __init__(self, who: str, trainer: Trainer, name: str, optimizer: str | None = None) -> None:
        optimizers = chosen(who, trainer, optimizer)
        groups = [group for one in optimizers for group in one.param_groups]
        self.in_optimizer: bool = any(name in group for group in groups)
        self._places = self._find(groups, trainer.module, name)
        if not self._places or not all(_is_number(value) for value in self.values):
            numbers = dict.fromkeys(k for one in groups for k, v in one.items() if _is_number(v))
            kinds = dict.fromkeys(type(one).__name__ for one in optimizers)
            close = difflib.get_close_matches(name, numbers, n=1)
            raise ValueError(
                f"{who}: found no number called {name!r}; "
                + (f"did you mean {close[0]!r}? There" if close else "there")
                + f" are {', '.join(numbers)} of {' and '.join(kinds)}, "
                "dropout of a model that has some, and a module's attributes such as 'body.2.p'"
            )

    @property
    def values(self) -> list[float]:
        """The values, one for each place; assigning a list writes them."""
        return [o[key] if isinstance(o, dict) else getattr(o, key) for o, key in self._places]

    @values.setter
    def values(self, values: Iterable[float]) -> None:
        for (owner, key), value in zip(self._places, values, strict=True):
            if isinstance(owner, dict):
                owner[key] = value
            else:
                setattr(owner, key, value)

    def overlaps(self, other: "HyperParameter") -> bool:
        """Return whether both hold the same number of some module."""
        mine, theirs = ({(id(owner), key) for owner, key in p._places} for p in (self, other))
        return not self.in_optimizer and bool(mine & theirs)

    def _find(self, groups: list[dict[str, Any]], module: Module, name: str) -> list[tuple]:
        """Return ``(owner, key)`` of each place; the owner is a group or a module."""
        if self.in_optimizer:
            return [(group, name) for group in groups if name in group]
        if name == "dropout":
            return [(part, "p") for part in module.modules() if isinstance(part, Dropout)]
        path, _, key = name.rpartition(".")
        return [(m, key) for p, m in module.named_modules() if p == path and key in vars(m)]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
