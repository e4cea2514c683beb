"""Copies of a module and its optimizer, and the state that its next forward depends on."""

import copy
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.optim.optimizers import Optimizers
from firstlight.parameter import Buffer
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.gradcheck import without_power_iterations


def detached_copy(module: Module) -> Module:
    """Return a copy of a module without the values that its forwards saved."""
    stacks = [(part, part._stack) for part in module.modules()]
    for part, _ in stacks:
        part._stack = []
    try:
        return copy.deepcopy(module)
    finally:
        for part, stack in stacks:
            part._stack = stack


def float64_copy(module: Module) -> Module:
    """Return a float64 copy of a module in training mode."""
    return without_power_iterations(cast_copy(module).train())


def cast_copy(module: Module) -> Module:
    """Return a float64 copy of a module, with float64 copies of modules that its functions hold."""
    twin = detached_copy(module).to(dtype="float64")
    for part in twin.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, types.FunctionType) and value.__closure__:
                setattr(part, name, _of_float64(value))
    return twin


def _of_float64(function):
    """Return a function such as ``lambda: teacher`` with float64 copies of the modules it holds."""

    def copied(cell):
        try:
            held = cell.cell_contents
        except ValueError:  # a name that is not assigned yet
            return cell
        if not isinstance(held, Module):
            return cell
        return types.CellType(detached_copy(held).to(dtype="float64"))

    cells = tuple(map(copied, function.__closure__))
    names = function.__name__, function.__defaults__
    return types.FunctionType(function.__code__, function.__globals__, *names, cells)


def disable_dropout(module: Module, *, any_p: bool = False) -> Module:
    """Set dropout rates of a module and its parts to 0; with ``any_p``, each ``p`` of any class."""
    for part in module.modules():
        for name in ("dropout", "p"):
            is_rate = any_p or name == "dropout" or "Dropout" in type(part).__name__
            if is_rate and isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)
    return module


class ModuleState:
    """A snapshot of random generators and buffers, to start every forward from.

    Parameters
    ----------
    module : Module
    attributes : bool
        Include the arrays that the module and its parts keep as attributes.
    """

    def __init__(self, module: Module, attributes: bool = False):
        self.module: Module = module
        self.streams: dict[str, Any] = randomness.state_dict()
        self.generators: list[tuple[np.random.Generator, Any]] = [
            (value, value.bit_generator.state)
            for names in _names_in_reach(module)
            for value in names.values()
            if isinstance(value, np.random.Generator)
        ]
        self.buffers: list[tuple[str, Buffer, Array]] = [
            (name, buffer, buffer.data.copy()) for name, buffer in module.named_buffers()
        ]
        self.attributes: dict[tuple[Module, str], Array] | None = (
            array_attributes(module) if attributes else None
        )
        self._others: dict[tuple[Module, str], Any] = {  # e.g. None, until the first forward
            (part, name): value
            for part in module.modules()
            for name, value in vars(part).items()
            if not isinstance(value, np.ndarray)
        }

    def restore(self) -> None:
        """Set generators, buffers and attributes back to the snapshot."""
        randomness.load_state_dict(self.streams)
        for generator, state in self.generators:
            generator.bit_generator.state = state
        for _, buffer, before in self.buffers:
            buffer.data[...] = before
        if self.attributes is None:
            return
        for key in array_attributes(self.module):
            part, name = key
            if key in self._others:
                vars(part)[name] = self._others[key]
            else:
                vars(part).pop(name)
        for (part, name), before in self.attributes.items():
            vars(part)[name] = before.copy()

    def changed_buffers(self) -> list[str]:
        """Return the names of the buffers that differ from the snapshot."""
        return [
            name
            for name, buffer, before in self.buffers
            if not np.array_equal(buffer.data, before, equal_nan=True)
        ]

    def changed_attributes(self) -> list[str]:
        """Return the names of the array attributes that are new or differ from the snapshot."""
        before = self.attributes or {}
        return [
            key[1]
            for key, array in array_attributes(self.module).items()
            if key not in before or not np.array_equal(before[key], array)
        ]


def _names_in_reach(module):
    """Yield the attributes of a module's parts, and the global names of its methods."""
    for part in module.modules():
        yield vars(part)
        for method in ("forward", "training_step"):
            yield getattr(getattr(type(part), method), "__globals__", {})


def array_attributes(module: Module) -> dict[tuple[Module, str], Array]:
    """Return ``{(part, name): copy}`` of the arrays that a module and its parts keep."""
    return {
        (part, name): value.copy()
        for part in module.modules()
        for name, value in vars(part).items()
        if isinstance(value, np.ndarray)
    }


def configured_optimizer(module: Module) -> Optimizer | Optimizers:
    """Return what a module's ``configure_optimizer`` makes; a dict as `Optimizers`."""
    made = module.configure_optimizer()
    return Optimizers(made, by_hand=module.steps_by_hand) if isinstance(made, dict) else made


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

    def configure_optimizer(self: Module) -> Optimizer | dict[str, Optimizer]:
        made = make()
        if isinstance(made, dict):
            return {name: optimizer_like(one, original, self) for name, one in made.items()}
        return optimizer_like(made, original, self, rates)

    model.configure_optimizer = types.MethodType(configure_optimizer, model)  # type: ignore
