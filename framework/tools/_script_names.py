"""The names of a script, given values by the statements that they depend on, or as recorded."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from firstlight.runs import slices, sources
from firstlight.runs.decoding import decode
from firstlight.runs.source_masking import masked_source
from firstlight.runs.values import UnkeptError
from firstlight.trainer import Trainer

ADVICE = "make the data in the function that calls fit, or in one that it calls"


class ScriptNames:
    """The classes, functions and values of a script.

    Parameters
    ----------
    folder : Path
        The folder ``source`` of the run.
    record : dict
        The content of ``rebuild.json``.
    texts : dict of str to str
        The copied files, by name.
    """

    def __init__(self, folder: Path, record: Mapping[str, Any], texts: Mapping[str, str]) -> None:
        self.folder, self.record, self.texts = folder, record, texts
        self._main: dict[str, Any] | None = None

    def find(self, name: str) -> Any:
        """Return the class or function of ``"module:Class"``."""
        module, _, attribute = name.partition(":")
        if module in self.record["left_out"]:
            raise UnkeptError(f"{name} was not kept: {self.record['left_out'][module]}")
        first, *rest = attribute.split(".")
        if module == sources.MAIN:
            names = self._running_script()
            found = (names if first in names else self._names({first}))[first]
        else:
            found = getattr(importlib.import_module(module), first)
        for part in rest:
            found = getattr(found, part)
        if module.startswith("firstlight.") and found.__module__ != module:
            raise UnkeptError(f"{name} does not belong to {module}")  # nn.linear:np.save
        return found

    def _running_script(self) -> dict[str, Any]:
        """Return the names of the script that runs now, or of a notebook, if it is the run's."""
        main = sys.modules[sources.MAIN]
        path = getattr(main, "__file__", None)
        if path is None and self.record["main"] is None:
            return vars(main)
        if path is None or os.path.abspath(path) != self.record["main"]:
            return {}
        text = masked_source(sources.read_source(path))
        same = text == self.texts[self.record["modules"][sources.MAIN]]
        return vars(main) if same else {}

    def _names(self, wanted: set[str]) -> dict[str, Any]:
        """Return the names of the main script, of which those that are wanted have values."""
        if sources.MAIN not in self.record["modules"]:
            raise UnkeptError(
                f"{', '.join(sorted(wanted))} was made in a notebook or a program without a "
                "script, whose code a run cannot keep"
            )
        if self._main is None:
            module = ModuleType(sources.SCRIPT)
            module.__file__ = self.record["main"]
            sys.modules[sources.SCRIPT] = module  # dataclasses look up their module
            self._main = vars(module)
            self._main |= self._values(self.record["globals"])
        tree = self._tree(sources.MAIN)
        self._run(tree.body, wanted, self._main, sources.MAIN)
        return self._main

    def _run(self, statements, wanted, names, module):
        """Run the statements that wanted names depend on, unless they have values.

        A statement ends where it would train.
        """
        kept, needed = slices.needed_statements(statements, wanted, names)
        path = str(self.folder / self.record["modules"][module])
        for one in kept:
            with _without_training():
                exec(compile(ast.Module([one], []), path, "exec"), names)
        return needed

    def _tree(self, module):
        return ast.parse(self.texts[self.record["modules"][module]])

    def _values(self, encoded):
        return {name: decode(value, self.find, name) for name, value in encoded.items()}

    # --- arguments of calls ------------------------------------------------------------------

    def argument(self, level: int, name: str, place: int, default: Any = None) -> Any:
        """Return an argument of a recorded call, by its name or place.

        Place 0 is the object whose method is called. ``default`` is a function that returns the
        value of an argument that is not passed; None is for None.
        """
        call = self.record["calls"][level]
        tree, node = self._call(call)
        parts = _possible_values(node, name, place)
        passed, by_name = self._evaluate(level, call, tree, node, ast.Tuple([*parts], ast.Load()))
        if name in by_name:
            return by_name[name]
        if place < len(passed):
            return passed[place]
        return None if default is None else default()

    def _call(self, call):
        """Return the syntax tree of a call's file, and the call in it."""
        if call["module"] not in self.record["modules"]:
            reason = self.record["left_out"].get(call["module"], "")
            told = f"the code of {call['module']}, which called fit, is not kept"
            raise UnkeptError(f"{told}: {reason}" if reason else told)
        tree = self._tree(call["module"])
        node = slices.find_call(tree, call["end"])
        if node is None:
            raise UnkeptError("the call of fit is not found in the script's copy")
        return tree, node

    def _evaluate(self, level, call, tree, node, wanted):
        """Return the value of an expression where a call is made."""
        wanted = ast.fix_missing_locations(ast.copy_location(wanted, node))
        plain = call["values"] if call["function"] else self.record["globals"]
        before, function = slices.way_to(tree, node, plain)
        main = call["module"] == sources.MAIN
        if function is None and not main:
            raise UnkeptError(f"{call['module']} trains when it is imported")
        names = {} if function is None else self._values(call["values"])
        if function is None:
            self._names(set())
            self._run(before, slices.used(wanted), self._main, call["module"])
            names = self._main
        else:
            kept, needed = slices.needed_statements(before, slices.used(wanted), names)
            parameters = _parameters(function)
            made = {name for one in kept for name in slices.bound(one)}
            for place, name in enumerate(parameters):
                if name in needed and name not in names:
                    names[name] = self._passed(level, function, name, place)
            rest = needed - made - names.keys()
            outside = self._outside(call["module"], rest)
            names = {**outside, **self._enclosing(level, rest - outside.keys()), **names}
            self._run(before, slices.used(wanted), names, call["module"])
        missing = slices.used(wanted) - names.keys() - set(dir(builtins))
        if missing:
            names = ", ".join(sorted(missing))
            where = f" in {call['function']}" if call["function"] else ""
            raise UnkeptError(
                f"no statement before the call of fit makes {names}{where}, and of values a run "
                f"keeps numbers and texts alone; {ADVICE}"
            )
        return eval(compile(ast.Expression(wanted), "<fit>", "eval"), names)

    def _enclosing(self, level, names):
        """Return the values of names in the functions around the one of a call, where it has any.

        Such a function has called the inner one, so that it is among the calls, too.
        """
        names = names - set(dir(builtins))
        outer = (self.record["calls"][level]["function"] or "").rpartition(".<locals>.")[0]
        for above in range(level + 1, len(self.record["calls"]) if outer and names else 0):
            call = self.record["calls"][above]
            if call["function"] == outer and call["module"] in self.record["modules"]:
                tree, node = self._call(call)
                order = sorted(names)
                values = [ast.Name(name, ast.Load()) for name in order]
                keys = [ast.Constant(name) for name in order]
                return self._evaluate(above, call, tree, node, ast.Dict(keys, values))
        return {}

    def _passed(self, level, function, name, place):
        """Return what the caller of a function has passed for a parameter."""
        call = self.record["calls"][level]
        if level + 1 >= len(self.record["calls"]) or (place == 0 and function.name == "__init__"):
            raise UnkeptError(
                f"{name}, an argument of {function.name}, cannot be made again; {ADVICE}"
            )

        def default():
            value = _defaults(function).get(name, ast.Constant(None))
            outside = self._outside(call["module"], slices.used(value))
            return eval(compile(ast.Expression(value), "<default>", "eval"), outside)

        is_method = "." in call["function"].rpartition("<locals>.")[2]
        return self.argument(level + 1, name, place + (not is_method), default)

    def _outside(self, module, names):
        """Return the global names of a function's module."""
        if module == sources.MAIN:
            return dict(self._names(names))
        return dict(vars(importlib.import_module(module)))


class _TrainingError(BaseException):
    """A statement would train; scripts that catch every Exception do not catch it."""


@contextlib.contextmanager
def _without_training() -> Iterator[None]:
    """End the block where it calls `Trainer.fit`; other threads train on."""
    fit, mine = Trainer.fit, threading.get_ident()

    def refuse(trainer: Trainer, *args: Any, **options: Any) -> Any:
        if threading.get_ident() == mine:
            raise _TrainingError
        return fit(trainer, *args, **options)

    Trainer.fit = refuse  # type: ignore[method-assign]
    try:
        yield
    except _TrainingError:
        pass
    finally:
        Trainer.fit = fit  # type: ignore[method-assign]


def _possible_values(call, name, place):
    """Return a tuple and a dict, as syntax, one of which has an argument, if it is passed.

    Values that cannot be the argument are None, so that they are not made.
    """
    nothing = ast.Constant(None)
    values: list[ast.expr] = [getattr(call.func, "value", nothing), *call.args]
    stars = [i for i, one in enumerate(values) if isinstance(one, ast.Starred)]
    first = stars[0] if stars else len(values)
    values = [one if i == place or i >= first else nothing for i, one in enumerate(values)]
    keywords = [one for one in call.keywords if one.arg in (name, None)]
    names = [one.arg and ast.Constant(one.arg) for one in keywords]
    by_name = ast.Dict(names, [one.value for one in keywords])
    return ast.Tuple(values, ast.Load()), by_name


def _parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def _defaults(function: ast.FunctionDef) -> dict[str, ast.expr]:
    given = function.args
    in_order = [one.arg for one in (*given.posonlyargs, *given.args)]
    found = dict(zip(reversed(in_order), reversed(given.defaults), strict=False))
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return found | {one.arg: value for one, value in pairs if value is not None}
