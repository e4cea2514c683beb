"""Checks of what an optimizer is given: its rule, parameter groups, and a saved state."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from firstlight.parameter import Parameter
from firstlight.support.arguments import plain_number

KEYS = ("optimizer", "steps", "groups", "arrays")  # of a saved state


def check_update(optimizer: Any) -> None:
    """Raise a TypeError unless ``optimizer.update`` takes group, t, w, g and the state arrays."""
    names = optimizer.state_names
    expected = ["group", "t", "w", "g", *names]
    try:
        inspect.signature(optimizer.update).bind(*expected)
    except TypeError:
        who, found = type(optimizer).__name__, inspect.signature(optimizer.update)
        raise TypeError(
            f"{who}.update{found}: expected the arguments ({', '.join(expected)}), with one array "
            f"for each of state_names={names}; there are no scratch arrays: compute with "
            'expressions, e.g. w -= group["lr"] * np.sign(g)'
        ) from None


def make_groups(
    who: str, params: Iterable[Parameter] | Iterable[dict[str, Any]], defaults: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the parameter groups of an optimizer, with every hyper-parameter filled in.

    Parameters
    ----------
    who : str
        Name of the optimizer, for messages.
    params : list of Parameter, or list of dict
        See `firstlight.optim.Optimizer`.
    defaults : dict
        Hyper-parameters of groups that do not set their own.

    Raises
    ------
    TypeError
        Not parameters, or an unknown hyper-parameter.
    """
    params = list(params) if hasattr(params, "__iter__") else [params]
    groups = params if params and isinstance(params[0], dict) else [{"params": params}]
    return [_make_group(who, group, defaults) for group in groups]


def _make_group(who, group, defaults):
    if not isinstance(group, dict):
        raise TypeError(f"{who}: expected every parameter group to be a dict, got {group!r}")
    unknown = [key for key in group if key not in defaults and key != "params"]
    if unknown or "params" not in group:
        raise TypeError(
            f"{who}: a parameter group takes 'params' and {', '.join(defaults)}; "
            f"got {', '.join(map(repr, group))}"
        )
    members = list(group["params"]) if hasattr(group["params"], "__iter__") else [group["params"]]
    wrong = [member for member in members if not isinstance(member, Parameter)]
    if wrong:
        raise TypeError(
            f"{who}: expected Parameter objects, as model.parameters() gives, "
            f"got {type(wrong[0]).__name__}"
        )
    settings = plain({**defaults, **group})
    for name, value in settings.items():
        if getattr(value, "ndim", 0):
            raise TypeError(
                f"{who}: expected {name} as a number, or a tuple of them for betas, got an array "
                f"of shape {value.shape}; parameters with a value of their own are a group: "
                "[{'params': [...], 'lr': 0.1}, ...]"
            )
    return settings | {"params": members}


def check_betas(who: str, betas: tuple[float, ...]) -> None:
    """Raise a ValueError unless there are two betas, in [0, 1)."""
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{who}: expected two betas in [0, 1), got {betas}")


def plain(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group's hyper-parameters in JSON-able types, and lists from JSON as tuples.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"lr": np.float32(0.5), "betas": [0.9, 0.99], "params": []})
    {'lr': 0.5, 'betas': (0.9, 0.99)}
    """
    found = {}
    for name, value in group.items():
        if isinstance(value, (list, tuple)) and name != "params":
            found[name] = tuple(plain_number(each) for each in value)
        elif name != "params":
            found[name] = plain_number(value)
    return found


def misfit(mine: Mapping[str, Any], saved: Mapping[str, Any]) -> str | None:
    """Describe how a saved state differs from an optimizer's own; return None if it fits.

    Parameters
    ----------
    mine, saved : dict
        As `firstlight.optim.Optimizer.state_dict` returns it.
    """
    lacking = [key for key in KEYS if key not in saved]
    if lacking:
        return f"expected what state_dict returns, got a dict without {', '.join(lacking)}"
    if saved["optimizer"] != mine["optimizer"]:
        return f"the state is of {saved['optimizer']}, this is {mine['optimizer']}"
    return _group_misfit(mine["groups"], saved["groups"]) or _array_misfit(
        mine["arrays"], saved["arrays"]
    )


def _group_misfit(mine, saved):
    if len(mine) != len(saved):
        return f"the state has {len(saved)} parameter groups, this optimizer {len(mine)}"
    for index, (here, there) in enumerate(zip(mine, saved, strict=True)):
        if set(here) != set(there):
            odd = ", ".join(sorted(set(here) ^ set(there)))
            return f"group {index} has other hyper-parameters: {odd} on one side only"
        if len(here["steps"]) != len(there["steps"]):
            return (
                f"group {index} has {len(there['steps'])} parameters in the state "
                f"and {len(here['steps'])} here"
            )
    return None


def _array_misfit(mine, saved):
    missing = [name for name in mine if name not in saved]
    if missing:
        return f"{_shown(missing)} missing from the state"
    unexpected = [name for name in saved if name not in mine]
    if unexpected:
        return f"this optimizer keeps no {_shown(unexpected)}"
    for name, window in mine.items():
        if np.shape(saved[name]) != window.shape:
            return f"{name} has shape {np.shape(saved[name])} in the state, {window.shape} here"
    return None


def _shown(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
