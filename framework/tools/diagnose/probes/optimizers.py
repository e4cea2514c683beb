"""Optimizers of a copy of a model, like those of the model itself."""

import copy
import types
from collections.abc import Callable, Sequence
from typing import Any

from firstlight.module import Module
from firstlight.optim import Optimizer


def optimizer_like(
    optimizer: Optimizer, model: Module, twin: Module, rates: Sequence[float] | None = None
) -> Optimizer:
    """Return an optimizer of the same class and groups for the parameters of a copy.

    ``rates`` are other learning rates of the groups.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    own = dict(twin.named_parameters())

    def copies(params: Sequence[Any]) -> list[Any]:
        return [own[names[id(p)]] for p in params if names.get(id(p)) in own]

    rates = rates or [group["lr"] for group in optimizer.param_groups]
    groups = [
        group | {"params": copies(group["params"]), "lr": rate}
        for group, rate in zip(optimizer.param_groups, rates, strict=True)
    ]
    try:
        return type(optimizer)([group for group in groups if group["params"]])
    except Exception:  # its own class takes other arguments
        memo = {id(p): own[name] for name, p in model.named_parameters() if name in own}
        twin_optimizer = copy.deepcopy(optimizer, memo)
        for group, rate in zip(twin_optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        return twin_optimizer


def give_optimizer(
    model: Module,
    make: Callable[[], Optimizer],
    original: Module,
    rates: Sequence[float] | None = None,
) -> None:
    """Let ``configure_optimizer`` of a model and its copies rebuild the optimizer of another."""

    def configure_optimizer(self: Module) -> Optimizer:
        return optimizer_like(make(), original, self, rates)

    model.configure_optimizer = types.MethodType(configure_optimizer, model)  # type: ignore
