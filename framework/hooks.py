"""The callbacks of one training: checked, ordered, registered with pluggy, blamed."""

import difflib
import inspect

import pluggy

from firstlight import hookspecs
from firstlight.callback import Callback, Role

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "firstlight_spec")]


class _Slot:
    """What pluggy is given for a callback: its hook methods and nothing else.

    pluggy compares plugins with ``==`` and evaluates what it finds on them; a slot keeps both
    away from the callback, so that e.g. equal dataclasses stay two callbacks.
    """

    def __init__(self, callback):
        self.callback = callback
        self.options = implemented(callback)
        for name in self.options:
            setattr(self, name, getattr(callback, name))


class HookManager(pluggy.PluginManager):
    """pluggy's manager, for slots."""

    def __init__(self):
        super().__init__("firstlight")
        self.add_hookspecs(hookspecs)

    def parse_hookimpl_opts(self, plugin, name):
        """Return pluggy's options for a slot's method."""
        return plugin.options.get(name)

    def impls(self, hook):
        """Return the implementations of a hook in call order."""
        return list(reversed(getattr(self.hook, hook).get_hookimpls()))


def attach(callbacks):
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
        A misspelled hook, or an argument that its hook does not have.
    """
    for callback in callbacks:
        _check(callback)
    if len({id(callback) for callback in callbacks}) < len(callbacks):
        raise TypeError("callbacks: one object is listed twice; make two of them instead")
    ordered = sorted(callbacks, key=lambda callback: getattr(callback, "role", Role.READER))
    manager = HookManager()
    for position, callback in reversed(list(enumerate(ordered))):  # last registered, first called
        try:
            manager.register(_Slot(callback), name=f"{position}:{display_name(callback)}")
        except pluggy.PluginValidationError as error:
            raise ValueError(_argument_message(callback)) from error
    return manager


def implemented(plugin):
    """Return ``{name: pluggy options}`` of the hooks an object, class or module implements."""
    found = {}
    for name in dir(plugin):
        method = inspect.getattr_static(plugin, name)
        if hasattr(method, "firstlight_impl"):
            found[name] = method.firstlight_impl
        elif name in HOOKS and callable(getattr(plugin, name)) and _is_callback(plugin):
            found[name] = {}
    return found


def display_name(callback):
    """Return how messages name a callback: its class, and the package if it is not ours."""
    kind = callback if inspect.ismodule(callback) else type(callback)
    name = kind.__name__.rpartition(".")[2]
    package = getattr(kind, "__module__", name).partition(".")[0]
    return name if package in ("firstlight", name) else f"{name} ({package})"


def call_all(manager, hook, **arguments):
    """Call every implementation of a hook, even if some raise; return the exceptions."""
    failures = []
    for impl in manager.impls(hook):
        try:
            impl.function(*(arguments[name] for name in impl.argnames))
        except Exception as failure:
            blame(manager, failure)
            failures.append(failure)
    return failures


def blame(manager, exception):
    """Add a note to an exception that names the callback whose hook raised it, if one did."""
    bodies = {}
    for hook in HOOKS:
        for impl in manager.impls(hook):
            body = inspect.unwrap(getattr(impl.function, "__func__", impl.function))
            bodies.setdefault(getattr(body, "__code__", None), []).append((impl.plugin, hook))
    trace = exception.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        for slot, hook in bodies.get(frame.f_code, ()):
            if frame.f_locals.get("self", slot.callback) is slot.callback:
                note = f"raised by callback {display_name(slot.callback)} in {hook}"
                if note not in getattr(exception, "__notes__", ()):
                    exception.add_note(note)
                return
        trace = trace.tb_next


def listing(manager):
    """Return ``{hook: [callback names in call order]}`` for the hooks somebody implements."""
    order = {h: [display_name(impl.plugin.callback) for impl in manager.impls(h)] for h in HOOKS}
    return {hook: names for hook, names in order.items() if names}


def _is_callback(plugin):
    return isinstance(plugin, Callback) or (
        inspect.isclass(plugin) and issubclass(plugin, Callback)
    )


def _check(callback):
    if inspect.isclass(callback):
        raise TypeError(
            f"callbacks: expected an object, got the class {callback.__name__}; "
            f"write {callback.__name__}(...)"
        )
    meant = {
        name: options.get("specname") or name for name, options in implemented(callback).items()
    }
    if _is_callback(callback):  # here the name alone makes a hook, so a near miss is a mistake
        public = [n for n in dir(callback) if n.startswith("on_")]
        meant |= {n: n for n in public if callable(inspect.getattr_static(callback, n))}
    elif not meant:
        raise TypeError(
            f"callbacks: {callback!r} implements no hook; derive its class from "
            "firstlight.Callback, or mark its methods with @firstlight.hookimpl"
        )
    for name, hook in meant.items():
        if hook not in HOOKS:
            close = difflib.get_close_matches(hook, HOOKS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the hooks are {', '.join(HOOKS)}"
            raise ValueError(f"{display_name(callback)}.{name} is not a hook; {hint}")


def _argument_message(callback):
    for name, options in implemented(callback).items():
        hook = options.get("specname") or name
        offered = inspect.signature(getattr(hookspecs, hook)).parameters
        taken = inspect.signature(getattr(callback, name)).parameters
        extra = [argument for argument in taken if argument not in offered]
        if extra:
            return (
                f"{display_name(callback)}.{name} takes {', '.join(extra)}, which the hook does "
                f"not have; {hook} offers: {', '.join(offered)}"
            )
    return f"{display_name(callback)} could not be registered"
