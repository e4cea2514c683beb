"""The trainer that runs in this thread: what `firstlight.Module.trainer` returns.

It is kept here and not on the modules, so that it is never copied, pickled or saved with one, and
nothing refers to it after its run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from firstlight.support import rng

if TYPE_CHECKING:
    from firstlight.optim.optimizers import Optimizers
    from firstlight.trainer import Trainer


class _Thread(local):
    """State of a thread. No ContextVar: once one is set, NumPy's functions start more slowly."""

    trainer: Trainer | None = None
    make: Callable[[Any], Optimizers] | None = None


_thread = _Thread()


@contextmanager
def running(trainer: Trainer) -> Iterator[None]:
    """Let modules find the trainer until the context ends; a trainer inside another comes first."""
    before = _thread.trainer, _thread.make
    _thread.trainer, _thread.make = trainer, None
    try:
        yield
    finally:
        _thread.trainer, _thread.make = before


@contextmanager
def making_optimizers(make: Callable[[Any], Optimizers]) -> Iterator[None]:
    """Let each module that asks for its optimizers get ``make(module)``, without a trainer.

    Copies of a model can then run ``training_step``, even while a trainer runs.
    """
    made, before = WeakKeyDictionary(), _thread.make

    def once(module):
        if module not in made:
            made[module] = make(module)
        return made[module]

    _thread.make = once
    try:
        yield
    finally:
        _thread.make = before


def running_trainer(module: Any) -> Trainer:
    """Return the trainer that runs in this thread; see `firstlight.Module.trainer`."""
    trainer, who = _thread.trainer, type(module).__name__
    if trainer is None:
        raise AttributeError(
            f"{who}.trainer: no Trainer is running; it is available inside of fit, validate, test "
            f"and predict, so ask hasattr(self, 'trainer') first where {who} is also used by hand"
        )
    if rng.is_capturing():
        raise RuntimeError(f"{who} reads self.trainer, whose values would be frozen in a graph")
    return trainer


def running_optimizers(module: Any) -> Optimizers:
    """Return the optimizers of the running trainer; see `firstlight.Module.optimizers`."""
    if _thread.make is not None:
        return _thread.make(module)
    optimizer, who = running_trainer(module).optimizer, type(module).__name__
    if optimizer is None or "" in optimizer.by_name():
        raise AttributeError(
            f"{who}.optimizers: configure_optimizer returned one optimizer, which the Trainer "
            'steps; return a dict to have them by name: {"d": optim.Adam(...), "g": ...}'
        )
    return optimizer
