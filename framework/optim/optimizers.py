"""Optimizers: several optimizers of one model by name, each for parameters of its own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from firstlight.optim._checks import misfit
from firstlight.optim.optimizer import Group, Optimizer
from firstlight.parameter import Flat

KIND = "several optimizers"  # in a saved state, in place of a class's name


class Optimizers(Mapping[str, Optimizer]):
    """The optimizers that ``configure_optimizer`` returned as a dict.

    It offers what the Trainer needs of one `Optimizer`, so that loop, checkpoints and callbacks
    treat both alike. The parameters of all are laid out in one pair of flat arrays, and each
    optimizer's own flat arrays are a part of it.

    Parameters
    ----------
    named : dict of str to Optimizer
        For disjoint sets of parameters.
    by_hand : bool
        Whether ``training_step`` steps them itself; see `firstlight.Module.steps_by_hand`.

    Attributes
    ----------
    by_hand : bool
    flat : firstlight.parameter.Flat
        Of the parameters of all optimizers, in their order.
    steps : int
        Training steps begun, in which each optimizer may step once, several times or not at all.
    stepped : bool
        Whether the latest ``training_step`` has stepped one by hand.
    loss_scale : None
        `LossScale` is for a single optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import Parameter, optim
    >>> w, b = Parameter(np.ones(2)), Parameter(np.ones(1))
    >>> both = Optimizers({"matrix": optim.SGD([w], lr=0.5), "bias": optim.Adam([b], lr=0.1)})
    >>> w.grad += 1
    >>> both.step()
    >>> w.data, b.data, both["matrix"].lr
    (array([0.5, 0.5]), array([1.]), 0.5)
    """

    loss_scale: None = None

    def __init__(self, named: Mapping[str, Optimizer], *, by_hand: bool = False):
        self._named = dict(named)
        self.by_hand: bool = by_hand
        self.flat: Flat = Flat.joined([one.flat for one in self._named.values()])
        self.steps: int = 0
        self.stepped: bool = False

    def __getitem__(self, name: str) -> Optimizer:
        if name not in self._named:
            close = difflib.get_close_matches(str(name), self._named, n=1)
            raise KeyError(
                f"there is no optimizer {name!r}; "
                + (f"did you mean {close[0]!r}? " if close else "")
                + f"configure_optimizer returned {', '.join(map(repr, self._named))}"
            )
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __eq__(self, other: object) -> bool:
        return self is other  # an object of its own, not an equal dict

    def __hash__(self) -> int:
        return id(self)

    def due(self) -> list[Optimizer]:
        """Return the optimizers that the Trainer steps: all, or none if it is done by hand."""
        return [] if self.by_hand else list(self.values())

    def step(self) -> None:
        """Count a training step, and step the optimizers that are due."""
        if not self.by_hand:
            self.steps += 1
        for one in self.due():
            one.step()

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for one in self.values():
            one.zero_grad()

    def scale_grad(self, factor: Any) -> None:
        """Multiply the gradients of all by a factor; see `Optimizer.scale_grad`."""
        for one in self.values():
            one.scale_grad(factor)

    def by_name(self) -> dict[str, Optimizer]:
        """Return the optimizers by name; a single `Optimizer` has the name ``""``."""
        return dict(self)

    @property
    def param_groups(self) -> list[Group]:
        """The parameter groups of all optimizers, in their order."""
        return list(chain.from_iterable(one.param_groups for one in self.values()))

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all by name; their arrays are together, as ``"d.exp_avg.3"``."""
        states = {name: one.state_dict() for name, one in self.items()}
        arrays = {
            f"{name}.{key}": array
            for name, state in states.items()
            for key, array in state.pop("arrays").items()
        }
        whole = {"optimizer": KIND, "steps": self.steps, "groups": states}
        return whole | {"arrays": arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` of the same optimizers of the same model returned.

        Raises
        ------
        ValueError
            It does not fit; see `Optimizer.load_state_dict`. Nothing is changed then.
        """
        parts = self._parts_of(state)
        for name, one in self.items():
            problem = misfit(one.state_dict(), parts[name])
            if problem:
                raise _unlike(f"optimizer {name!r}: {problem}")
        for name, one in self.items():
            one.load_state_dict(parts[name])
        self.steps = state["steps"]

    def _parts_of(self, state):
        """Return the state of each optimizer by name."""
        if state.get("optimizer") != KIND:
            raise _unlike(
                f"the state is of {state.get('optimizer', 'no optimizer')}, this model has the "
                f"optimizers {', '.join(self)}"
            )
        if list(state["groups"]) != list(self):
            raise _unlike(
                f"the state has the optimizers {', '.join(state['groups'])}, this model "
                f"{', '.join(self)}"
            )
        parts = {name: {**own, "arrays": {}} for name, own in state["groups"].items()}
        for key, array in state["arrays"].items():
            name, _, own = key.partition(".")
            parts[name]["arrays"][own] = array
        return parts

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name}: {one!r}' for name, one in self.items())}}}"


def _unlike(problem):
    return ValueError(
        f"Optimizers.load_state_dict: {problem}; make model and optimizers as they were when the "
        "state was saved"
    )
