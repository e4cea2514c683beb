"""Checks of what ``configure_optimizer`` returns, and of steps by hand; messages give a fix."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from firstlight.optim import Optimizer

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.optim.optimizers import Optimizers


def returned(owner: Module, candidate: object, precision: str) -> None:
    """Raise an error unless ``configure_optimizer`` returned an `Optimizer`, or a dict of them.

    Each parameter that is not frozen must be in exactly one optimizer of a dict.

    Raises
    ------
    TypeError, ValueError
    """
    who = f"{type(owner).__name__}.configure_optimizer"
    if isinstance(candidate, Optimizer) and not owner.steps_by_hand:
        return
    if not isinstance(candidate, dict):
        found = f"{who} returned {type(candidate).__name__}; "
        if owner.steps_by_hand:
            raise TypeError(
                f"{found}a model with steps_by_hand = True has its optimizers by name: return "
                '{"all": optim.Adam(self.parameters(), lr=1e-3)}'
            )
        if isinstance(candidate, (list, tuple)):
            raise TypeError(
                f"{found}give each optimizer a name, in a dict: return "
                '{"body": optim.Muon(...), "rest": optim.AdamW(...)}; schedules are the callback '
                "lr_schedule"
            )
        raise TypeError(f"{found}end it with: return optim.Adam(self.parameters(), lr=1e-3)")
    if not candidate:
        raise ValueError(
            f"{who} returned an empty dict; give each optimizer a name: "
            '{"d": optim.Adam(...), "g": optim.Adam(...)}'
        )
    for name, one in candidate.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise ValueError(
                f"{who}: expected names of letters, digits and _ for optimizers, as records and "
                f'checkpoints contain them, got {name!r}; e.g. "generator"'
            )
        if not isinstance(one, Optimizer):
            raise TypeError(
                f"{who}: expected an optimizer for {name!r}, got {type(one).__name__}; e.g. "
                f"{{{name!r}: optim.Adam(self.{name}.parameters(), lr=1e-3)}}"
            )
    _check_each_in_one(who, owner, candidate)
    if precision == "16":
        raise ValueError(
            f'{who} returned {len(candidate)} optimizers by name, and precision "16" scales the '
            'loss of a single one; use precision="bf16", which needs no loss scale'
        )


def _check_each_in_one(who, owner, optimizers):
    """Raise a ValueError that names a parameter which is in two optimizers, or in none."""
    holders = {}
    for name, one in optimizers.items():
        for group in one.param_groups:
            for parameter in group["params"]:
                holders.setdefault(id(parameter), []).append(name)
    for name, parameter in owner.named_parameters():
        found = holders.get(id(parameter), [])
        if len(found) > 1:
            raise ValueError(
                f"{who}: parameter {name} is in the optimizers {' and '.join(found)}; each "
                "parameter belongs to one"
            )
        if not found and parameter.requires_grad:
            raise ValueError(
                f"{who}: parameter {name} is in no optimizer; add it to one of "
                f"{', '.join(optimizers)}, or freeze its module: module.freeze()"
            )


def stepped_by_hand(owner: Module, schedule: Mapping[int, int], ranks: int) -> None:
    """Raise a ValueError if a training with ``steps_by_hand`` accumulates, or has several ranks."""
    if not owner.steps_by_hand:
        return
    who = f"{type(owner).__name__}.steps_by_hand is True"
    if set(schedule.values()) != {1}:
        raise ValueError(
            f"{who}, so that the Trainer cannot accumulate the gradients of batches; leave out "
            "accumulate_grad_batches, and use larger batches"
        )
    if ranks > 1:
        raise ValueError(
            f"{who}, and its steps would differ between the {ranks} ranks, which the Trainer "
            "cannot average; use one process, or let the Trainer step the optimizers"
        )


def nothing_lost(owner: Module, optimizers: Optimizers) -> None:
    """Raise a RuntimeError if ``training_step`` ran backward by hand, but stepped no optimizer."""
    if optimizers.flat.grad.any():
        raise RuntimeError(
            f"{type(owner).__name__}.training_step ran backward and stepped no optimizer, so that "
            "the gradients would be lost; call "
            + " or ".join(f"self.optimizers[{name!r}].step()" for name in optimizers)
        )


def all_stepped(owner: Module, optimizer: Optimizer | Optimizers) -> None:
    """Warn if an optimizer was never stepped by hand, in 10 training steps or more."""
    if not owner.steps_by_hand or optimizer.steps < 10:
        return
    idle = [name for name, one in optimizer.items() if one.steps == 0]
    if idle:
        warnings.warn(
            f"{type(owner).__name__}.training_step has not stepped the optimizer "
            f"{' or '.join(map(repr, idle))} in {optimizer.steps} steps; call "
            f"self.optimizers[{idle[0]!r}].step() after its backward",
            stacklevel=3,
        )
