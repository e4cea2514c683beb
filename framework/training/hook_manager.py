"""The callbacks of one training: checked, ordered, registered with pluggy.

pluggy ignores most mistakes: it never calls a method that is not marked or whose name is
misspelled, and never fills an argument that has a default. It also refuses callbacks that are
equal. Every object is therefore checked here before pluggy sees it.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pluggy

from firstlight import hookspecs
from firstlight.callback import Callback, Role
from firstlight.training.hook_failures import (
    blame,
    call_all,
    display_name,
    note_failures,
    warn_on_failure,
)

if TYPE_CHECKING:
    from firstlight.module import Module
    from firstlight.trainer import Trainer

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "firstlight_spec")]
UNMARKED = ("setup", "teardown")  # names that many modules use for other functions


OTHER_NAMES = {  # names of our hooks in PyTorch Lightning, and those in Keras
    "on_train_start": "on_fit_start",
    "on_train_end": "on_fit_end",
    "on_validation_epoch_start": "on_validation_start",
    "on_validation_epoch_end": "on_validation_end",
    "on_test_epoch_start": "on_test_start",
    "on_test_epoch_end": "on_test_end",
    "on_predict_epoch_start": "on_predict_start",
    "on_predict_epoch_end": "on_predict_end",
    "training_epoch_end": "on_train_epoch_end",
    "validation_epoch_end": "on_validation_end",
    "test_epoch_end": "on_test_end",
    "on_train_begin": "on_fit_start",
    "on_epoch_begin": "on_train_epoch_start",
    "on_epoch_end": "on_train_epoch_end",
    "on_batch_begin": "on_train_batch_start",
    "on_train_batch_begin": "on_train_batch_start",
    "on_batch_end": "on_train_batch_end",
    "on_test_begin": "on_test_start",
    "on_predict_begin": "on_predict_start",
}
# Hooks of other frameworks that may have no counterpart here, such as on_sanity_check_start.
FOREIGN = re.compile(r"on_\w+_(start|end|begin|batch_transfer|model_(eval|train|zero_grad))")


class _Slot:
    """Plugin object for pluggy that has only the hook methods of a callback.

    pluggy compares plugins with ``==``. Slots are compared by identity, so that equal dataclasses
    stay two callbacks.
    """

    def __init__(self, callback):
        self.callback, self.failed = callback, False
        self.options = implemented(callback)
        for name in self.options:
            setattr(self, name, getattr(callback, name))


class HookManager(pluggy.PluginManager):
    """pluggy's plugin manager, with a slot for each callback.

    Attributes
    ----------
    names : list of str
        Names of all hooks.
    calls : namespace of callables
        The hooks, bound to a trainer and a module; see `bind`.
    """

    names: list[str] = HOOKS

    def __init__(self) -> None:
        super().__init__("firstlight")
        self.add_hookspecs(hookspecs)
        self.calls: SimpleNamespace = SimpleNamespace()

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> dict[str, Any] | None:
        """Return pluggy's options for a slot's method."""
        return plugin.options.get(name)

    def impls(self, hook: str) -> list[pluggy.HookImpl]:
        """Return the implementations of a hook in call order."""
        return list(reversed(getattr(self.hook, hook).get_hookimpls()))

    def implementers(self, hook: str) -> list[str]:
        """Return the names of the callbacks that implement a hook, in call order."""
        return [display_name(impl.plugin.callback) for impl in self.impls(hook)]

    def bind(self, trainer: Trainer, module: Module | None) -> HookManager:
        """Make ``calls.on_log(record=...)`` call that hook with this trainer and module.

        Implementers are looked up here, once: a hook without any is a function that does nothing.
        """
        for name in self.names:
            impls, known = self.impls(name), {"trainer": trainer, "module": module}
            call = partial(_call_in_order, impls, known) if impls else no_call
            if any(impl.wrapper for impl in impls):
                call = partial(getattr(self.hook, name), **known)
            setattr(self.calls, name, call)
        return self

    @contextmanager
    def stage(self, trainer: Trainer, module: Module, stage: str) -> Iterator[None]:
        """Call ``setup`` first and every ``teardown`` last, even if something raises."""
        failure = None
        try:
            self.calls.setup(stage=stage)
            yield
        except BaseException as error:
            failure = error
            blame(self, error)
            raise
        finally:
            arguments = {"trainer": trainer, "module": module, "stage": stage}
            broken = call_all(self, "teardown", **arguments)
            if failure is not None:
                note_failures(failure, broken)
            elif broken:
                note_failures(broken[0], broken)
                raise broken[0]


def no_call(**_: object) -> None:
    """Do nothing, in place of a hook without implementers."""


def _call_in_order(impls, known, **others):
    """Call a hook as pluggy does if no implementation wraps the others, in a third of the time."""
    values = known | others
    results = [impl.function(*[values[name] for name in impl.argnames]) for impl in impls]
    return [result for result in results if result is not None]


def attach(callbacks: Iterable[object]) -> HookManager:
    """Register callbacks, ordered by role and then as listed.

    Parameters
    ----------
    callbacks : list of Callback, or of objects with ``@firstlight.hookimpl`` methods

    Returns
    -------
    HookManager
        ``manager.hook.on_log(...)`` calls them.

    Raises
    ------
    TypeError
        A class instead of an object; something without hooks; one object listed twice.
    ValueError
        A mistake that `check` finds, or an invalid role.
    """
    for callback in callbacks:
        _check_is_callback(callback)
    if len({id(callback) for callback in callbacks}) < len(callbacks):
        raise TypeError("callbacks: one object is listed twice; make two of them instead")
    ordered = sorted(callbacks, key=_role)
    manager = HookManager()
    for position, callback in reversed(list(enumerate(ordered))):  # last registered, first called
        manager.register(_Slot(callback), name=f"{position}:{display_name(callback)}")
    for hook in set(HOOKS) - {"setup", "on_fit_start"}:
        for impl in manager.impls(hook):
            if getattr(impl.plugin.callback, "watcher", False) and not impl.wrapper:
                impl.function = warn_on_failure(manager, impl)
    return manager


def implemented(plugin: object) -> dict[str, dict[str, Any]]:
    """Return ``{name: pluggy options}`` of the hooks that an object or module implements.

    On a `Callback` every method with a hook's name is one. Other objects mark theirs with
    ``@firstlight.hookimpl``.
    """
    found = {}
    for name, value in _attributes(plugin).items():
        options = getattr(value, "firstlight_impl", None) if _is_method(value) else None
        if isinstance(options, dict):
            found[name] = options
        elif name in HOOKS and value is not None and isinstance(plugin, Callback):
            found[name] = {}
    return found


def check(plugin: object) -> None:
    """Raise a ValueError if a hook of an object or module would not work.

    Mistakes are a misspelled name, a method without its ``@firstlight.hookimpl``, an argument that
    the hook does not have or that would never be filled, and a wrapper that does not yield.
    """
    found = implemented(plugin)
    static = _attributes(plugin)
    registers_only = all(name.startswith("register_") for name in found)
    for name, value in static.items():
        is_method = _is_method(value)
        if name in UNMARKED and (registers_only or inspect.ismodule(plugin)):
            continue  # not meant as a hook
        if is_method and name in HOOKS and name not in found:
            raise ValueError(
                f"{display_name(plugin)}.{name} would never be called; mark it with "
                "@firstlight.hookimpl, or derive its class from firstlight.Callback"
            )
        if is_method and isinstance(plugin, Callback) and name.startswith("on_"):
            found.setdefault(name, {})
    for name, options in found.items():
        hook = options.get("specname") or name
        if hook in HOOKS:
            method = getattr(plugin, name) if _is_method(static[name]) else static[name]
            _check_method(f"{display_name(plugin)}.{name}", method, hook, options)
        elif not options.get("optionalhook"):
            raise ValueError(f"{display_name(plugin)}.{name} is not a hook; {_hint(hook)}")


def refuse_on_modules(module: Module, callbacks: Iterable[object]) -> None:
    """Raise a TypeError if a module has a method that looks like a hook: it is never called.

    A module that is also one of the callbacks, by ``@firstlight.hookimpl``, may have hooks.
    """
    listed = {type(callback) for callback in callbacks}
    kinds = dict.fromkeys(type(part) for part in module.modules())
    for kind, name in ((part, name) for part in kinds if part not in listed for name in dir(part)):
        if _looks_like_hook(kind, name):
            hook = name if name in HOOKS else OTHER_NAMES.get(name, _close_to(name))
            renamed = f", as {hook}," if hook not in (name, None) else ""
            raise TypeError(
                f"{kind.__name__}.{name} would never be called: hooks belong to callbacks; move it"
                f"{renamed} to a class derived from firstlight.Callback and pass an object of it: "
                "Trainer(callbacks=[...]); a method of your own can start with _"
            )


def _looks_like_hook(kind, name):
    """Return whether a class's attribute is named like a hook; setup and teardown take a stage."""
    if name in ("setup", "teardown"):
        method = inspect.getattr_static(kind, name)
        return inspect.isfunction(method) and "stage" in inspect.signature(method).parameters
    if not name.startswith("on_"):
        return name in OTHER_NAMES
    return name in OTHER_NAMES or bool(FOREIGN.fullmatch(name) or _close_to(name))


def _close_to(name):
    return next(iter(difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.75)), None)


def listing(manager: HookManager) -> dict[str, list[str]]:
    """Return ``{hook: [callback names in call order]}`` for the hooks that have implementers."""
    return {hook: names for hook in HOOKS if (names := manager.implementers(hook))}


def _attributes(plugin):
    """Return an object's attributes by name, without evaluating properties."""
    names = [name for name in dir(plugin) if not name.startswith("__")]
    return {name: inspect.getattr_static(plugin, name, None) for name in names}


def _is_method(value):
    return callable(value) or isinstance(value, (classmethod, staticmethod))


def _check_is_callback(callback):
    if inspect.isclass(callback):
        raise TypeError(
            f"callbacks: expected an object, got the class {callback.__name__}; "
            f"write {callback.__name__}(...)"
        )
    check(callback)
    if not isinstance(callback, Callback) and not implemented(callback):
        raise TypeError(
            f"callbacks: {callback!r} implements no hook; derive its class from "
            "firstlight.Callback, or mark its methods with @firstlight.hookimpl"
        )


def _role(callback):
    role = getattr(callback, "role", Role.READER)
    try:
        return Role(role)
    except ValueError:
        raise ValueError(
            f"{display_name(callback)}.role: expected Role.WRITER, Role.EDITOR or Role.READER, "
            f"got {role!r}"
        ) from None


def _hint(name):
    close = [OTHER_NAMES[name]] if name in OTHER_NAMES else []
    close = close or difflib.get_close_matches(name, HOOKS, n=1)
    if close:
        return f"did you mean {close[0]}? (a method of your own can start with _)"
    return f"the hooks are {', '.join(HOOKS)}; let a method of your own start with _"


def _check_method(where, method, hook, options):
    if not inspect.isfunction(method) and not inspect.ismethod(method):
        raise ValueError(
            f"{where}: expected a function or method, got {type(method).__name__}; write a def"
        )
    if options.get("hookwrapper"):
        raise ValueError(f"{where}: hookwrapper is pluggy's old form; use wrapper=True")
    if inspect.isgeneratorfunction(method) != bool(options.get("wrapper")):
        raise ValueError(
            f"{where}: a hook that wraps the others has one yield and is marked "
            "@firstlight.hookimpl(wrapper=True); any other has neither"
        )
    offered = inspect.signature(getattr(hookspecs, hook)).parameters
    for name, parameter in inspect.signature(method).parameters.items():
        filled = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if name in offered and not (filled and parameter.default is parameter.empty):
            raise ValueError(
                f"{where}: {parameter} would never be filled; write it as plain {name}, "
                "without a default and not by keyword only"
            )
        if name not in offered and parameter.default is parameter.empty:
            raise ValueError(
                f"{where} takes {parameter}, which the hook does not have; "
                f"{hook} offers: {', '.join(offered)}"
            )
