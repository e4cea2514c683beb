"""Discover installed plugins through the entry-point group ``firstlight``.

Installing a plugin makes its models, data sets, callbacks, metrics and commands available by name.
It changes no run unless one of these names is used. firstlight registers its own names the same
way.

An entry point names a module, object or class (which is called without arguments) with
``register_...`` hooks. A plugin that fails to load is skipped with a warning. The error for an
unknown name lists the plugins that failed, with their errors.

==============================  =========================================================
``FIRSTLIGHT_PLUGINS=a,b``      allow only these entry points, beside firstlight's own
``FIRSTLIGHT_STRICT_PLUGINS=1`` raise instead of warn
==============================  =========================================================
"""

import difflib
import functools
import importlib.metadata
import inspect
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from firstlight.support.import_paths import UnknownNameError, import_target
from firstlight.training import hook_manager

GROUP = "firstlight"
API = 1  # a plugin module may set FIRSTLIGHT_API; another number is refused with a message
OWN = "firstlight"  # the distribution whose entry points FIRSTLIGHT_PLUGINS never blocks
REGISTRARS = {
    "model": "register_models",
    "dataset": "register_datasets",
    "callback": "register_callbacks",
    "metric": "register_metrics",
    "command": "register_commands",
    "check": "register_checks",
}
OTHERWISE = {"metric": "pass another as an object, or register its name"}  # and by no import path


class PluginWarning(UserWarning):
    """A plugin could not be used, or two plugins offer the same name."""


@dataclass
class Plugin:
    """One installed entry point.

    Attributes
    ----------
    name, distribution, version, target : str
        Entry point, package it came from, and the ``module`` it names.
    hooks : list of str
        Hooks it implements.
    offers : dict of str to list of str
        Names by kind, e.g. ``{"callback": ["hello"]}``.
    error : str
        Why it could not be used; empty if it could.
    """

    name: str
    distribution: str
    version: str
    target: str
    hooks: list[str] = field(default_factory=list)
    offers: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class Registry:
    """Names of one kind ("model", "dataset", "callback", ...: `REGISTRARS`) and their targets.

    Attributes
    ----------
    summaries : dict of str to str
        One line about each name, in the order they were added; "" if none was given.
    """

    kind: str
    plugins: Sequence[Plugin]

    def __init__(self, kind: str, plugins: Sequence[Plugin] = ()) -> None:
        self.kind = kind
        self.plugins = plugins
        self.summaries: dict[str, str] = {}
        self._targets = {}  # name -> (target, Plugin)
        self._adding = None  # the Plugin whose register hook runs

    def add(self, name: str, target: Callable[..., Any] | str, summary: str = "") -> None:
        """Offer a class or function under a name.

        Parameters
        ----------
        name : str
            The name of a command may be two words, such as "runs list".
        target : class, function or str
            A str is an import path, ``"package.module:Class"``, imported when it is used.
        summary : str
            One line for lists; by default they show the first sentence of the docstring.

        Raises
        ------
        TypeError
            The name is not a string, or the target cannot be called.
        """
        is_path = isinstance(target, str) and ":" in target
        if not isinstance(name, str) or not (is_path or callable(target)):
            raise TypeError(
                f"registry.add: expected a name and a class or function, got {name!r}, {target!r}"
            )
        second = r"( [\w.-]+)?" if self.kind == "command" else ""
        if not re.fullmatch(r"[\w.-]+" + second, name):
            raise ValueError(f"registry.add: expected letters, digits and . _ -, got {name!r}")
        if name in self._targets:
            first = self._targets[name][1]
            second = f" of plugin {self._adding}" if self._adding else ""
            advice = (
                "choose another"
                if self.kind == "command"
                else ("name the class as package.module:Class instead")
            )
            _complain(
                f"{self.kind} {name!r}{second} is left out: {first or 'something else'} offers "
                f"that name already; {advice}"
            )
            return
        self._targets[name], self.summaries[name] = (target, self._adding), summary
        if self._adding is not None:
            self._adding.offers.setdefault(self.kind, []).append(name)

    def withdraw(self, plugin: Plugin) -> None:
        """Remove every name that a plugin offered."""
        for name in plugin.offers.pop(self.kind, ()):
            del self._targets[name], self.summaries[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._targets)

    def name_of(self, target: Any) -> str | None:
        """Return the name that offers a class or function; None if there is none.

        A target that is given as an import path is found without an import.
        """
        path = f"{target.__module__}:{target.__qualname__}"
        for name, (known, _) in self._targets.items():
            if known is target or known == path:
                return name
        return None

    def get(self, name: str) -> Any:
        """Return the target of a name, or of an import path ``"package.module:Class"``.

        A metric has no import path, so that settings in a file cannot run code.

        Raises
        ------
        KeyError
            The name is unknown, or its target is not of this kind; the message lists the nearest
            match, all names, and the plugins that failed to load.
        """
        if name in self._targets:
            target = self._targets[name][0]
            return import_target(target) if isinstance(target, str) else target
        if ":" in name and self.kind not in OTHERWISE:
            return import_target(name, self.kind)
        close = difflib.get_close_matches(name, self._targets, n=1)
        hint = f"did you mean {close[0]!r}? There" if close else "there"
        broken = "".join(f"; plugin {p} is broken: {p.error}" for p in self.plugins if p.error)
        raise UnknownNameError(
            f"no {self.kind} is called {name!r}; {hint} are: {', '.join(self.names())}"
            f"{broken}; {OTHERWISE.get(self.kind, 'or name a class as package.module:Class')}"
        )


@functools.cache
def discover() -> tuple[dict[str, Registry], list[Plugin]]:
    """Load every installed plugin once and return ``(registries by kind, list of Plugin)``."""
    plugins, seen = [], {}
    registries = {kind: Registry(kind, plugins) for kind in REGISTRARS}
    for plugin, point in _allowed(_installed()):
        plugins.append(plugin)
        if point.name in seen:
            _fail(plugin, f"its name is taken by {seen[point.name]}; one of them must be renamed")
            continue
        seen[point.name] = plugin
        try:
            _load(point, plugin, registries)
        except (Exception, SystemExit) as error:  # third-party code may raise anything
            for names in registries.values():
                names.withdraw(plugin)
            _fail(plugin, f"{type(error).__name__}: {error}")
    return registries, plugins


def registry(kind: str) -> Registry:
    """Return the registry of a kind: "model", "dataset", "callback", ... (`REGISTRARS`)."""
    return discover()[0][kind]


def others_installed() -> bool:
    """Return whether a third-party plugin is installed, without importing it."""
    return any(plugin.distribution != OWN for plugin, _ in _installed())


def _installed():
    """Return ``(Plugin, entry point)`` for all in the group, each once, firstlight's own first."""
    found = {}
    for point in _entry_points():
        try:
            name, version = point.dist.metadata.get("Name"), point.dist.metadata.get("Version")
        except Exception:  # a package without readable metadata
            name = version = None
        plugin = Plugin(point.name, name or "unknown", version or "unknown", point.value)
        found.setdefault((plugin.distribution, plugin.name, plugin.target), (plugin, point))
    return [found[key] for key in sorted(found, key=lambda key: (key[0] != OWN, key))]


def _entry_points():
    try:
        return importlib.metadata.entry_points(group=GROUP)
    except Exception:  # unreadable in one package: read each package by itself
        points = []
    for distribution in importlib.metadata.distributions():
        try:
            points += distribution.entry_points.select(group=GROUP)
        except Exception as error:
            where = distribution.locate_file("")
            _complain(f"the entry points of a package in {where} cannot be read: {error}")
    return points


def _allowed(installed):
    """Return firstlight's own plugins, and those that FIRSTLIGHT_PLUGINS allows."""
    value = os.environ.get("FIRSTLIGHT_PLUGINS")
    if value is None:
        return installed
    allowed = {name.strip() for name in value.split(",")} - {""}
    names = [plugin.name for plugin, _ in installed]
    for name in sorted(allowed.difference(names)):
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        _complain(f"FIRSTLIGHT_PLUGINS allows {name!r}, but no such plugin is installed; {hint}")
    return [pair for pair in installed if pair[0].distribution == OWN or pair[0].name in allowed]


def _load(point, plugin, registries):
    """Import the target of an entry point, and call its ``register_...`` hooks."""
    source = point.load()
    if inspect.isclass(source):
        source = source()
    api = getattr(source, "FIRSTLIGHT_API", API)
    if api != API:
        raise RuntimeError(f"it is written for plugin API {api}, this firstlight has {API}")
    hook_manager.check(source)
    methods = {
        options.get("specname") or n: n for n, options in hook_manager.implemented(source).items()
    }
    plugin.hooks = sorted(methods)
    if not methods:
        raise ValueError(
            f"{point.value} implements no hook; mark register_models, register_datasets, "
            "register_callbacks, register_metrics, register_commands or register_checks with "
            "@firstlight.hookimpl"
        )
    for kind, hook in REGISTRARS.items():
        if hook in methods:
            registries[kind]._adding = plugin
            try:
                getattr(source, methods[hook])(registry=registries[kind])
            finally:
                registries[kind]._adding = None


def _fail(plugin, error):
    plugin.error = error
    _complain(f"plugin {plugin} is skipped: {error}")


def _complain(message):
    if os.environ.get("FIRSTLIGHT_STRICT_PLUGINS", "0") not in ("", "0"):
        raise RuntimeError(message)
    warnings.warn(message, PluginWarning, stacklevel=2)
