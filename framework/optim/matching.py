"""Whether a saved optimizer state fits an optimizer, told in words."""

import numpy as np

KEYS = ("optimizer", "steps", "groups", "arrays")


def misfit(mine, saved):
    """Say in what a saved state differs from the one an optimizer has, or return None.

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
