"""The network inside an estimator: created for its data, and copied to and from bytes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from firstlight import plugins
from firstlight.module import Module
from firstlight.support import rng
from firstlight.training import checks

Model = str | Callable[..., Module]


def maker(who: str, model: Any) -> Callable[..., Module]:
    """Return the class or function that creates the network.

    Raises
    ------
    KeyError
        No model is installed under this name.
    TypeError
        A module, which would go on from its last training in each fit; or something else.
    """
    if isinstance(model, str):
        return plugins.registry("model").get(model)
    if isinstance(model, Module):
        name = type(model).__name__
        raise TypeError(
            f"{who}: model: expected a class, so that each fit creates a new network, got a "
            f"{name}; write model={name}, model_args={{...}}"
        )
    if not callable(model):
        raise TypeError(
            f"{who}: model: expected a name such as 'mlp', a subclass of firstlight.Module or a "
            f"function that returns a module, got {model!r}"
        )
    return model


def arguments(
    who: str, make: Callable[..., Module], given: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of the network: those given, and those that the data determine.

    Parameters
    ----------
    who : str
        The estimator, for messages.
    make : callable
    given : dict
    facts : dict
        `firstlight.tools.cli.data_arguments.arguments_from_data`; those that ``make`` does not
        take are left out.

    Raises
    ------
    TypeError
        ``make`` does not take an argument that is given.
    """
    parameters = inspect.signature(make).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    refused = [name for name in given if name not in parameters and not takes_all]
    if refused:
        raise TypeError(
            f"{who}: {make.__name__} takes no argument {', '.join(refused)}; it takes "
            f"{', '.join(parameters)}"
        )
    return {name: value for name, value in facts.items() if name in parameters} | dict(given)


def create(make: Callable[..., Module], values: Mapping[str, Any]) -> Module:
    """Return a new network; errors name the arguments."""
    try:
        module = make(**values)
    except (TypeError, ValueError) as error:
        said = ", ".join(f"{name}={value!r}" for name, value in values.items())
        error.add_note(f"raised by {make.__name__}({said})")
        raise
    checks.module(module)
    return module


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Draw from generators of a seed, and restore those of the process afterwards."""
    before = rng.state_dict()
    try:
        rng.seed_everything(seed)
        yield
    finally:
        rng.load_state_dict(before)


def as_bytes(module: Module) -> bytes:
    """Return the parameters and buffers of a module in the format safetensors."""
    from safetensors.numpy import save

    state = module.state_dict()  # safetensors does not check for strides (its issue #825)
    return save({name: np.ascontiguousarray(array) for name, array in state.items()})


def from_bytes(make: Callable[..., Module], values: Mapping[str, Any], content: bytes) -> Module:
    """Return a network with the parameters and buffers of `as_bytes`."""
    from safetensors.numpy import load

    return restored(make, values, load(content))


def restored(
    make: Callable[..., Module], values: Mapping[str, Any], state: Mapping[str, Any]
) -> Module:
    """Return a network with the parameters and buffers of a ``state_dict``."""
    with own_random_numbers(0):  # its initial weights are overwritten
        module = create(make, values)
    module.load_state_dict(state)
    return module.eval()
