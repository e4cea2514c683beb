"""The base class of callbacks, and the roles that order them."""

from enum import IntEnum
from typing import Any


class Role(IntEnum):
    """When a callback runs within one hook: writers, then editors, then readers."""

    WRITER = 0  # produces values: evaluators, schedules
    EDITOR = 1  # changes them: clipping, scaling
    READER = 2  # looks at them: loggers, checkpoints, stoppers


class Callback:
    """Base class of callbacks: override the hooks you need, with the arguments you need.

    The hooks are in `firstlight.hookspecs`. Only overridden methods are called, so a hook that
    is not implemented costs nothing.

    Attributes
    ----------
    role : Role
        Fixes the order among callbacks; set it in the class.
    rank_zero_only : bool
        If several processes train, call that of rank 0 only; for what shows or writes.
    watcher : bool
        True for what only draws, watches or reports. What it raises in a hook is a warning, once,
        and the training goes on; only in ``on_fit_start``, before anything is trained, it is an
        error. False, as for what steers, stops or saves: what it raises ends the training.
    guards_loss : bool
        True where a loss that is not finite is this callback's business: the warning of it, which
        names ``nan_guard``, is left out.

    Examples
    --------
    >>> import firstlight as fl
    >>> class Hello(fl.Callback):
    ...     def on_train_epoch_end(self, trainer):
    ...         print(f"epoch {trainer.epoch} done")
    """

    role: Role = Role.READER
    rank_zero_only: bool = False
    watcher: bool = False
    guards_loss: bool = False

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save in checkpoints, as a JSON-able dict."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
