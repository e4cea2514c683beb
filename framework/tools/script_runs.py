"""The model and data of a script's run, created again from the run's folder alone.

A class or function comes from where the training had it: the script's own modules from the copies
in the run, others from the installed packages. The data are made by the statements of the script
that made them; see `firstlight.runs.slices`.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.data.loader import DataLoader
from firstlight.data.splits import DataSplits
from firstlight.runs import consent, slices, sources
from firstlight.runs.masking import MASK
from firstlight.runs.values import UnkeptError, decode, plainly
from firstlight.support.files import from_here
from firstlight.support.rng import seed_everything
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.training import checks, recording

if TYPE_CHECKING:
    from firstlight.module import Module

SCRIPT = "script_of_run"  # name of the main script as a module


class ScriptRun:
    """The record of a script's run.

    Parameters
    ----------
    folder : Path
        Of the run.
    trusted : bool
        Whether the user agreed to run code of the run that their own scripts have not recorded.

    Raises
    ------
    UsageError
        The record is missing or damaged, or its code needs consent.
    """

    def __init__(self, folder: Path, *, trusted: bool = False) -> None:
        self.folder, self.shown = folder, from_here(folder)
        where = f"{self.shown / sources.FOLDER}: "
        with usage_errors(where, (OSError, ValueError)):
            files = sources.read(folder)
        if not files:
            raise UsageError(
                f"run {self.shown} was made by a script and keeps no record of its model; train "
                "again, or evaluate it there: Trainer().test(module, data, checkpoint=...)"
            )
        self.record: dict[str, Any] = json.loads(files.pop(sources.RECORD))
        with usage_errors(where, (KeyError, TypeError, AttributeError)):
            code = sources.names_code(self.record)
        self.texts = files
        whole = sources.as_files(self.record, files)
        known = consent.recorded(folder).get(sources.FOLDER) == sources.digest(whole)
        if code and not (trusted or known):
            raise UsageError(
                f"{where}it holds the source of a script, code that would run with your rights; if "
                "you trust where it comes from, add --trust"
            )
        modules = self.record["modules"]
        self._copies = sources.Copies(folder / sources.FOLDER, modules, files)
        self._main: dict[str, Any] | None = None

    def named_data(self) -> dict[str, Any]:
        """Return name and arguments of registered data; {} if the script made them itself."""
        named = self.record["data"]
        if named is None:
            return {}
        arguments = {name: plainly(value) for name, value in named["arguments"].items()}
        return {"name": named["name"], **arguments}

    def model(self) -> Module:
        """Return the model, with the weights that its constructor draws."""
        with self._creating("the model of {} cannot be built again: {}; evaluate it in its script"):
            for name, value in self.record["model"].get("arguments", {}).items():
                if value == MASK:
                    raise UnkeptError(f"model.{name} was a secret, which a run does not keep")
            model = decode(self.record["model"], self._find, "model")
        with usage_errors(f"{self.shown}: ", (TypeError,)):
            checks.module(model)
        return model

    def data(self) -> DataSplits:
        """Return the data of the training."""
        advice = "; give data with --data NAME, or a .csv, .npz or .txt file"
        with self._creating("the data of {} cannot be made again: {}" + advice):
            splits = self._named_data() if self.record["data"] else self._made_data()
            self._check(splits)
        return splits

    def _named_data(self):
        """Load registered data with the arguments of the training."""
        named = self.record["data"]
        function = plugins.registry("dataset").get(named["name"])
        arguments = named["arguments"].items()
        splits = function(**{n: decode(v, self._find, f"data.{n}") for n, v in arguments})
        splits.batch_size = self.record["batch_size"]
        return splits

    def _made_data(self):
        """Evaluate the arguments of `fit` in the script."""
        if not self.record["calls"]:
            raise UnkeptError("no script called fit whose code the run could keep")
        values = [self._argument(0, name, place) for place, name in ((2, "data"), (3, "val_data"))]
        return _as_splits(*values)

    def _check(self, splits):
        """Raise an error unless the samples are those of the training."""
        now, then = recording.fingerprints(splits.parts), self.record["samples"]
        for split in then:
            if now.get(split) != then[split]:
                raise UnkeptError(
                    f"the script makes other {split} samples now than it did for the training"
                )

    # --- names of the script -----------------------------------------------------------------

    @contextlib.contextmanager
    def _creating(self, message: str) -> Iterator[None]:
        """Run code of the script, in its working directory; errors name the run."""
        place = self.record["cwd"]
        there = contextlib.chdir(place) if place and os.path.isdir(place) else None
        seed_everything(self.record["seed"])
        before, sys.argv = sys.argv, self.record["argv"]
        with self._copies.importing(), there or contextlib.nullcontext():
            try:
                yield
            except (SystemExit, Exception) as error:
                told = str(error) if isinstance(error, UnkeptError) else _told(error)
                raise UsageError(message.format(f"run {self.shown}", told)) from error
            finally:
                sys.argv = before

    def _find(self, name: str) -> Any:
        """Return the class or function of ``"module:Class"``."""
        module, _, attribute = name.partition(":")
        if module in self.record["left_out"]:
            raise UnkeptError(f"{name} was not kept: {self.record['left_out'][module]}")
        first, *rest = attribute.split(".")
        if module == sources.MAIN:
            found = self._names({first})[first]
        else:
            found = getattr(importlib.import_module(module), first)
        for part in rest:
            found = getattr(found, part)
        return found

    def _names(self, wanted: set[str]) -> dict[str, Any]:
        """Return the names of the main script, of which those that are wanted have values."""
        if sources.MAIN not in self.record["modules"]:
            raise UnkeptError(
                f"{', '.join(sorted(wanted))} was made in a notebook or a program without a "
                "script, whose code a run cannot keep"
            )
        if self._main is None:
            module = ModuleType(SCRIPT)
            module.__file__ = self.record["main"]
            sys.modules[SCRIPT] = module  # dataclasses look up their module
            self._main = vars(module)
            self._main |= self._values(self.record["globals"])
        tree = self._tree(sources.MAIN)
        self._run(tree.body, wanted, self._main, sources.MAIN)
        return self._main

    def _run(self, statements, wanted, names, module):
        """Run the statements that wanted names depend on, unless they have values."""
        kept, needed = slices.needed_statements(statements, wanted, names)
        path = str(self.folder / sources.FOLDER / self.record["modules"][module])
        exec(compile(ast.Module(kept, []), path, "exec"), names)
        return needed

    def _tree(self, module):
        return ast.parse(self.texts[self.record["modules"][module]])

    def _values(self, encoded):
        return {name: decode(value, self._find, name) for name, value in encoded.items()}

    # --- arguments of calls ------------------------------------------------------------------

    def _argument(self, level: int, name: str, place: int, default: Any = None) -> Any:
        """Return an argument of a recorded call, by its name or place.

        Place 0 is the object whose method is called. ``default`` is a function that returns the
        value of an argument that is not passed; None is for None.
        """
        call = self.record["calls"][level]
        if call["module"] not in self.record["modules"]:
            raise UnkeptError(f"{call['module']}, which called fit, was not kept")
        tree = self._tree(call["module"])
        node = slices.find_call(tree, call["end"])
        if node is None:
            raise UnkeptError("the call of fit is not found in the script's copy")
        named = {one.arg: one.value for one in node.keywords}
        values = [getattr(node.func, "value", None), *node.args]
        wanted = named.get(name) or (values[place] if place < len(values) else None)
        if wanted is None:
            return None if default is None else default()
        if isinstance(wanted, ast.Starred) or None in named:
            raise UnkeptError(f"{name} is passed with a star")
        return self._evaluate(level, call, tree, node, wanted)

    def _evaluate(self, level, call, tree, node, wanted):
        """Return the value of an expression that a call has as an argument."""
        before, function = slices.way_to(tree, node)
        main = call["module"] == sources.MAIN
        if function is None and not main:
            raise UnkeptError(f"{call['module']} trains when it is imported")
        names = {} if function is None else self._values(call["values"])
        if function is None:
            self._names(set())
            needed = self._run(before, slices.used(wanted), self._main, call["module"])
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
            names = {**outside, **names}
            self._run(before, slices.used(wanted), names, call["module"])
        missing = slices.used(wanted) - names.keys() - set(dir(builtins))
        if missing:
            raise UnkeptError(f"{', '.join(sorted(missing))} has no value that a run can keep")
        return eval(compile(ast.Expression(wanted), "<fit>", "eval"), names)

    def _passed(self, level, function, name, place):
        """Return what the caller of a function has passed for a parameter."""
        call = self.record["calls"][level]
        if level + 1 >= len(self.record["calls"]) or (place == 0 and function.name == "__init__"):
            raise UnkeptError(f"{name} of {function.name} has no value that a run can keep")

        def default():
            value = _defaults(function).get(name, ast.Constant(None))
            outside = self._outside(call["module"], slices.used(value))
            return eval(compile(ast.Expression(value), "<default>", "eval"), outside)

        is_method = "." in call["function"].rpartition("<locals>.")[2]
        return self._argument(level + 1, name, place + (not is_method), default)

    def _outside(self, module, names):
        """Return the global names of a function's module."""
        if module == sources.MAIN:
            return dict(self._names(names))
        return dict(vars(importlib.import_module(module)))


def _as_splits(data: Any, val_data: Any) -> DataSplits:
    """Return the arguments of `fit` as `DataSplits`."""
    if isinstance(data, DataSplits) and val_data is None:
        return data
    whole = isinstance(data, DataSplits)
    size = data.batch_size if whole or isinstance(data, DataLoader) else None
    given = [data.train, val_data, data.test] if whole else [data, val_data, None]
    given[1] = val_data.val if isinstance(val_data, DataSplits) else val_data
    parts = [part.data if isinstance(part, DataLoader) else part for part in given]
    with warnings.catch_warnings(action="ignore"):  # the training has warned of uint8
        try:
            return DataSplits(*parts, batch_size=size)
        except TypeError as error:
            raise UnkeptError(f"they are batches from a {type(data).__name__}") from error


def _parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    return [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def _defaults(function: ast.FunctionDef) -> dict[str, ast.expr]:
    given = function.args
    in_order = [one.arg for one in (*given.posonlyargs, *given.args)]
    found = dict(zip(reversed(in_order), reversed(given.defaults), strict=False))
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return found | {one.arg: value for one, value in pairs if value is not None}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
