"""Parameter groups: dicts of hyper-parameters, each with the parameters they hold for."""

from firstlight.parameter import Parameter
from firstlight.support.scalars import plain_number


def make_groups(who, params, defaults):
    """Return the groups that an optimizer works with, every hyper-parameter filled in.

    Parameters
    ----------
    who : str
        The optimizer, for messages.
    params : list of Parameter, or list of dict
        See `firstlight.optim.Optimizer`.
    defaults : dict
        Hyper-parameters for every group that does not name its own.

    Raises
    ------
    TypeError
        Something else than parameters, or an unknown hyper-parameter.
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


def plain(group):
    """Return a group's hyper-parameters as JSON can hold them, and lists from JSON as tuples.

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
