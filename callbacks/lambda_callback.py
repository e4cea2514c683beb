"""LambdaCallback: a callback made of functions."""

import inspect
from collections.abc import Callable
from typing import Any

from firstlight.callback import Callback
from firstlight.support.arguments import parse_choice
from firstlight.training.hook_manager import HOOKS

EVENTS: list[str] = [name for name in HOOKS if name.startswith("on_")]


class LambdaCallback(Callback):
    """Call functions at hooks, without a class for them.

    Parameters
    ----------
    **functions : function, lambda or method
        By the name of their hook (see `firstlight.hookspecs`). Each takes, by name, the hook's
        arguments that it needs.

    Raises
    ------
    ValueError
        A name that is not a hook.
    TypeError
        No functions, or a value that is not a function, lambda or method.

    Examples
    --------
    >>> from firstlight.callbacks import LambdaCallback
    >>> LambdaCallback(on_train_epoch_end=lambda trainer: print(trainer.epoch))
    LambdaCallback(on_train_epoch_end)
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        if not functions:
            raise TypeError(
                "LambdaCallback: expected functions by the name of a hook, got none; "
                "e.g. LambdaCallback(on_train_epoch_end=lambda trainer: print(trainer.epoch))"
            )
        for name, function in functions.items():
            parse_choice("LambdaCallback: hook", name, EVENTS)
            if not (inspect.isfunction(function) or inspect.ismethod(function)):
                raise TypeError(
                    f"LambdaCallback: expected a function, lambda or method as {name}, "
                    f"got {function!r}"
                )
            setattr(self, name, function)
        self._names = tuple(functions)

    def __repr__(self) -> str:
        return f"LambdaCallback({', '.join(self._names)})"
