"""The base class of callbacks, and the roles that order them."""

from enum import IntEnum
from typing import Any, Self

from firstlight.support.construction import Construction


class Role(IntEnum):
    """Order of callbacks within one hook: writers, then editors, then readers."""

    WRITER = 0  # produces values: evaluators, schedules
    EDITOR = 1  # changes them: clipping, scaling
    READER = 2  # reads them: loggers, checkpoints, stoppers


class Callback:
    """Base class of callbacks: override the hooks you need, with the arguments you need.

    The hooks are in `firstlight.hookspecs`. Only overridden methods are called, so a hook that
    is not implemented costs nothing.

    Attributes
    ----------
    role : Role
        Order among callbacks; set it in the class.
    rank_zero_only : bool
        If True, only rank 0 calls the hooks; for callbacks that print or write.
    watcher : bool
        True for a callback that only plots or reports. An exception in one of its hooks becomes a
        warning, shown once, and the training continues. In ``setup`` and ``on_fit_start``, before
        any training, it stays an error. False for callbacks that steer, stop or save: an exception
        ends the training.
    guards_loss : bool
        True if this callback handles a loss that is not finite. The default warning, which
        recommends ``nan_guard``, is then omitted.

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

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments, for the record of a run."""
        if cls.__init__ is object.__init__ and (args or kwargs):
            raise TypeError(f"{cls.__name__}() takes no arguments")
        callback = super().__new__(cls)
        callback._construction = Construction(args, kwargs)
        return callback

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save in checkpoints, as a JSON-able dict."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
