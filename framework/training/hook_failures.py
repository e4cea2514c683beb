"""Failures in hooks: which callback raised, and which failures a training survives."""

from __future__ import annotations

import functools
import inspect
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pluggy import HookImpl

    from firstlight.training.hook_manager import HookManager


def display_name(callback: object) -> str:
    """Return a callback's name for messages: its class, with the package of a third party."""
    if inspect.ismodule(callback):
        return callback.__name__
    kind = type(callback)
    package = kind.__module__.partition(".")[0]
    return (
        kind.__name__ if package in ("firstlight", "__main__") else f"{kind.__name__} ({package})"
    )


def call_all(manager: HookManager, hook: str, **arguments: Any) -> list[BaseException]:
    """Call every implementation of a hook, even if some raise; return the exceptions.

    A wrapper surrounds those that come after it, but gets no results and no exceptions.
    """
    failures, wrappers = [], []
    for impl in manager.impls(hook):
        with collecting(failures, manager):
            values = [arguments[name] for name in impl.argnames]
            if impl.wrapper:
                wrapper = contextmanager(impl.function)(*values)
                wrapper.__enter__()
                wrappers.append(wrapper)
            else:
                impl.function(*values)
    for wrapper in reversed(wrappers):
        with collecting(failures, manager):
            wrapper.__exit__(None, None, None)
    return failures


def blame(manager: HookManager, exception: BaseException) -> None:
    """Add a note to an exception that names the callback whose hook raised it, if one did."""
    callback, hook = _raised_by(manager, exception)
    if callback is not None:
        note = f"raised by callback {display_name(callback)} in {hook}"
        if note not in getattr(exception, "__notes__", ()):
            exception.add_note(note)


def _raised_by(manager, exception):
    """Return the callback and the name of the hook that raised an exception, or (None, None)."""
    bodies = {}
    for hook in manager.names:
        for impl in manager.impls(hook):
            method = impl.function
            while not hasattr(method, "__self__") and hasattr(method, "__wrapped__"):
                method = method.__wrapped__  # unwrap timers and `warn_on_failure`
            body = inspect.unwrap(getattr(method, "__func__", method))
            owner = getattr(method, "__self__", None)  # None for a plain function
            bodies.setdefault(getattr(body, "__code__", None), []).append(
                (impl.plugin.callback, owner, hook)
            )
    found, trace = (None, None), exception.__traceback__
    while trace is not None:  # the innermost counts: a hook may log or save, and so call others
        for callback, owner, hook in bodies.get(trace.tb_frame.f_code, ()):
            if owner is None or trace.tb_frame.f_locals.get("self", owner) is owner:
                found = callback, hook
                break
        trace = trace.tb_next
    return found


def warn_on_failure(manager: HookManager, impl: HookImpl) -> Callable[..., Any]:
    """Wrap a watcher's hook: its first exception becomes a warning, later ones are dropped.

    Exceptions of other callbacks' hooks that it calls propagate.
    """
    function, slot = impl.function, impl.plugin

    @functools.wraps(function)
    def hook(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            callback, name = _raised_by(manager, error)
            if not getattr(callback, "watcher", False):
                raise
            if not slot.failed:
                slot.failed = True
                last = traceback.extract_tb(error.__traceback__)[-1]
                warnings.warn(
                    f"callback {display_name(callback)} failed in {name}, and the training "
                    f"continues: {type(error).__name__}: {error} ({last.filename}:{last.lineno})",
                    stacklevel=2,
                )

    return hook


def note_failures(error: BaseException, failures: Iterable[BaseException]) -> None:
    """Add notes to an exception about failures in the hooks that were called after it."""
    for failure in failures:
        if failure is not error:
            notes = "".join(f" ({note})" for note in getattr(failure, "__notes__", ()))
            error.add_note(f"and then {type(failure).__name__}: {failure}{notes}")


@contextmanager
def collecting(failures: list[BaseException], manager: HookManager) -> Iterator[None]:
    """Append an exception, even a Ctrl-C, to a list, so that the following code runs."""
    try:
        yield
    except BaseException as failure:
        blame(manager, failure)
        failures.append(failure)
