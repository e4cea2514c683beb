"""Slow statements at a script's top, such as those that read data: computed once within a check.

A check runs a script many times. In its first run, outermost assignments that take long are noted;
the next runs assign the same objects. This needs that a statement has no other effect, which is
concluded from what it reads (modules, functions and plain values, no files and no generators), that
it draws no random numbers, and that nothing has written into its arrays until the run's end.
"""

import ast
import random
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support import rng as randomness
from firstlight.tools.diagnose.probes.script.events import Assigned, Scalar
from firstlight.tools.diagnose.probes.script.instrument import RECORDER

if TYPE_CHECKING:
    from firstlight.tools.diagnose.probes.script.recorder import Recorder

KEPT = "__firstlight_kept__"  # name of the values in the script
SLOW = 0.02  # CPU seconds of a statement that is kept
MOST = 2**30  # bytes of all values together
PLAIN = (int, float, complex, str, bytes, type(None), np.generic, PurePath, range, np.dtype)
NUMPY_FUNCTION = type(np.sum)  # that __array_function__ may replace


@dataclass
class KeptStatement:
    """What a statement did when it was executed.

    Attributes
    ----------
    value
        That it assigned.
    runs : int
        Number of loops that it ran.
    events : Counter of (str, int)
        Number of events of functions that it called, by class and line.
    mark
        Shows whether something has written into the value.
    """

    value: Any
    runs: int
    events: Counter[tuple[str, int]]
    mark: Any


class Statements:
    """The statements of one script that are kept, by their place in the file.

    Attributes
    ----------
    kept : dict of int to KeptStatement
    complete : bool
        Whether the first run is over.
    """

    def __init__(self) -> None:
        self.kept: dict[int, KeptStatement] = {}
        self.complete: bool = False
        self._size: int = 0

    def first_run(
        self, place: int, code: CodeType, statement: ast.stmt, names: dict, recorder: "Recorder"
    ) -> None:
        """Execute a statement in the first run, and keep what it assigns if that is possible."""
        targets = assigned_names(statement)
        if targets is None or recorder.has_changed_values or not reads_inert(statement, names):
            exec(code, names)
            return
        others = {name: id(v) for name, v in names.items() if name not in targets}
        before, began = _state(recorder), time.thread_time()
        runs, count = recorder.runs, len(recorder.trace.events)
        exec(code, names)
        if time.thread_time() - began < SLOW or before != _state(recorder):
            return
        new = recorder.trace.events[count:]
        events = Counter(e.key[:2] for e in new if not _is_by(e, statement))
        same = others == {name: id(v) for name, v in names.items() if name not in targets}
        values = [names[name] for name in targets]
        numbers = all(isinstance(event, (Assigned, Scalar)) for event in new)
        if same and numbers and all(map(_can_be_kept, values)):
            self._size += sum(value.nbytes for value in values if isinstance(value, np.ndarray))
            if self._size <= MOST:
                value = values[0] if isinstance(statement.targets[0], ast.Name) else tuple(values)
                self.kept[place] = KeptStatement(value, recorder.runs - runs, events, _mark(value))

    def close(self, *, cut: bool) -> None:
        """End the first run; forget values that were written into, all if it was cut off."""
        self.complete = True
        self.kept = {
            place: one
            for place, one in self.kept.items()
            if not cut and _mark(one.value) == one.mark
        }
        for one in self.kept.values():
            for value in one.value if isinstance(one.value, tuple) else (one.value,):
                if isinstance(value, np.ndarray):
                    value.flags.writeable = False  # a later run that writes fails, and says so


_store: ContextVar[dict[Any, Statements] | None] = ContextVar("kept_statements", default=None)


@contextmanager
def keeping_statements() -> Iterator[None]:
    """Keep slow statements of scripts that are traced within the block."""
    token = _store.set({})
    try:
        yield
    finally:
        _store.reset(token)


def kept_statements(*key: Any) -> Statements | None:
    """Return the statements that belong to a key; None outside `keeping_statements`."""
    store = _store.get()
    return None if store is None else store.setdefault(key, Statements())


def assigned_names(statement: ast.stmt) -> list[str] | None:
    """Return the names that a statement assigns; None if it is not a plain assignment."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) else None


def with_kept_value(tree: ast.Module, place: int) -> ast.Module:
    """Return an instrumented assignment that takes its value from those that are kept."""
    _, assignment, *_ = tree.body  # between the calls of the recorder
    value = ast.Subscript(ast.Name(KEPT, ast.Load()), ast.Constant(place), ast.Load())
    assignment.value = ast.copy_location(value, assignment.value)
    return ast.fix_missing_locations(tree)


def _is_by(event, statement):
    """Return whether an event is of a statement's own lines, which record it again."""
    return statement.lineno <= event.at.line <= statement.end_lineno


def _can_be_kept(value):
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and not value.dtype.hasobject and value.flags.c_contiguous
    return isinstance(value, PLAIN)


def _mark(value):
    """Return what shows whether an array was written into; a sum misses exchanged entries."""
    if isinstance(value, tuple):
        return [_mark(part) for part in value]
    if not isinstance(value, np.ndarray):
        return None
    flat = value.reshape(-1).view(np.uint8)
    flat = flat.view(np.uint64) if flat.size % 8 == 0 else flat
    return int(flat.sum(dtype=np.uint64)), flat[:: max(1, flat.size // 1000)].tobytes()


def _state(recorder):
    """Return what a statement must not change: parameters and random streams."""
    numpy_state = np.random.get_state()  # noqa: NPY002 (scripts draw from it)
    streams = random.getstate(), str(numpy_state[2:]), numpy_state[1].tobytes()
    counts = len(recorder.parameters), recorder.unseeded
    return counts, streams, str(randomness.state_dict())


# --- what a statement reads ---------------------------------------------------------------------


def reads_inert(statement: ast.Assign, names: Mapping[str, Any]) -> bool:
    """Return whether evaluating an assignment's value changes nothing else."""
    read = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    return Inert(Path(names["__file__"]).parent).all(read, names)


class Inert:
    """Tell whether using a value changes nothing: it is no file, generator, list or object.

    Parameters
    ----------
    folder : Path
        The script's folder; functions of modules elsewhere are taken for inert.
    """

    def __init__(self, folder: Path):
        self.folder: Path = folder.resolve()
        self._seen: set[int] = set()

    def all(self, read: set[str], names: Mapping[str, Any]) -> bool:
        """Return whether all of these names are."""
        return all(self(names[name]) for name in read & names.keys() - {RECORDER})

    def __call__(self, value: Any) -> bool:
        """Return whether a value is inert."""
        if id(value) in self._seen or isinstance(value, (*PLAIN, np.ufunc, NUMPY_FUNCTION)):
            return True
        self._seen.add(id(value))
        if isinstance(value, type):
            return not self._is_own(getattr(sys.modules.get(value.__module__), "__file__", None))
        if isinstance(value, (Namespace, SimpleNamespace)):  # arguments of the command line
            return all(map(self, vars(value).values()))
        if isinstance(value, np.ndarray):  # traced arrays are no inert ones
            return type(value) is np.ndarray and not value.dtype.hasobject
        if isinstance(value, tuple):
            return all(map(self, value))
        if isinstance(value, ModuleType):
            inside = [v for name, v in vars(value).items() if not name.startswith("__")]
            return not self._is_own(getattr(value, "__file__", None)) or all(map(self, inside))
        if isinstance(value, BuiltinFunctionType):
            return value.__self__ is None or self(value.__self__)
        if not isinstance(value, FunctionType) or not self._is_own(value.__code__.co_filename):
            return isinstance(value, FunctionType)
        kept = [cell.cell_contents for cell in value.__closure__ or ()]
        kept += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return all(map(self, kept)) and self.all(_names_in(value.__code__), value.__globals__)

    def _is_own(self, file):
        """Return whether a file is of the script's author."""
        if file is None:  # built into Python
            return False
        path = Path(file).resolve()
        return path.is_relative_to(self.folder) and "site-packages" not in path.parts


def _names_in(code):
    inner = (c for c in code.co_consts if isinstance(c, CodeType))
    return {*code.co_names, *(name for one in inner for name in _names_in(one))}
