"""Source of the user's functions, and running a changed version of it in their place."""

import ast
import contextlib
import functools
import inspect
import linecache
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.edits.edits import edits
from firstlight.tools.diagnose.probes.edits.scope import Scope, is_numeric
from firstlight.tools.diagnose.probes.edits.syntax import recording, slots, statements

PACKAGE = str(Path(__file__).parents[4])  # its own source is not the user's
RECORD = "__record_value__"
FIRST = {"lineno": 1, "col_offset": 0}  # the place of what no file has


class UserFunction:
    """A function with its syntax tree.

    Parameters
    ----------
    function : function
    tree : ast.FunctionDef
        With the line numbers of the file.

    Attributes
    ----------
    lines : list of str
        Of the whole file.
    """

    def __init__(self, function: FunctionType, tree: ast.FunctionDef):
        self.function, self.tree = function, tree
        self.file: str = function.__code__.co_filename
        self.lines: list[str] = linecache.getlines(self.file)

    @classmethod
    def of(cls, function: Any) -> "UserFunction | None":
        """Return the user's function or method with its tree, None without source."""
        found = cls.read(function)
        return None if found is None or found.is_of_package else found

    @property
    def is_of_package(self) -> bool:
        """Whether it is firstlight's, not the user's."""
        return self.file.startswith(PACKAGE)

    @classmethod
    def read(cls, function: Any) -> "UserFunction | None":
        """Return a function or method, also of the package, with its tree; None without source."""
        plain = inspect.unwrap(getattr(function, "__func__", function))
        if not isinstance(plain, FunctionType):
            return None
        file = plain.__code__.co_filename
        linecache.checkcache(file)
        tree = _definitions("".join(linecache.getlines(file))).get(plain.__code__.co_firstlineno)
        return None if tree is None or tree.name != plain.__name__ else cls(plain, tree)

    def called(self, owner: Any) -> Iterator["UserFunction"]:
        """Yield the user's functions that this one calls: methods of an owner, and of its file."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(ast.Attribute(ast.Name("self"), name)):
                    found = UserFunction.of(getattr(type(owner), name, None))
                case ast.Call(ast.Name(name)):
                    found = UserFunction.of(self.function.__globals__.get(name))
                case _:
                    continue
            if found is not None:
                yield found

    def place(self, line: int) -> Place:
        """Return a line of the file."""
        return Place.of(self.file, line)

    def line_of(self, gradient: str) -> Place:
        """Return the line that writes a gradient: the parameter's, or what is returned as dx."""
        found = self.tree
        for node, _ in statements(self.tree):
            text = "" if hasattr(node, "body") else ast.unparse(node)
            is_dx = not gradient or gradient.startswith("dx")
            if isinstance(node, ast.Return) if is_dx else f"self.{gradient}.grad" in text:
                found = node
        return self.place(found.lineno)

    def compiled(self, tree: ast.FunctionDef) -> CodeType:
        """Return the code of a changed tree, with the same variables of enclosing scopes."""
        bare = ast.copy_location(ast.FunctionDef(tree.name, tree.args, tree.body, [], None), tree)
        body, names = [bare], ["outer", tree.name]
        owner = self.function.__qualname__.split(".")[-2:-1]
        if owner and owner[0].isidentifier():  # in a class, for names such as self.__x
            body = [ast.ClassDef(*owner, [], [], body, [], **FIRST)]
            names[1:1] = owner
        free = set(self.function.__code__.co_freevars) - {"__class__" if len(names) > 2 else ""}
        given = [ast.arg(name, None, **FIRST) for name in sorted(free)]
        arguments = ast.arguments([], given, None, [], [], None, [])
        outer = ast.FunctionDef("outer", arguments, body, [], None, **FIRST)
        code = compile(ast.Module([outer], []), self.file, "exec")
        for name in names:
            codes = (one for one in code.co_consts if isinstance(one, CodeType))
            code = next(one for one in codes if one.co_name == name)
        return code

    def copied(self, tree: ast.FunctionDef, **names: Any) -> FunctionType:
        """Return a function of a changed tree, with more global names."""
        function, code = self.function, self.compiled(tree)
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = tuple(cells[name] for name in code.co_freevars)
        known = {**function.__globals__, **names}
        made = FunctionType(code, known, function.__name__, function.__defaults__, closure)
        made.__kwdefaults__ = function.__kwdefaults__
        return made

    @contextlib.contextmanager
    def replaced_by(self, tree: ast.FunctionDef) -> Iterator[None]:
        """Run a changed tree in place of the function inside the block."""
        code, original = self.compiled(tree), self.function.__code__
        self.function.__code__ = code
        try:
            yield
        finally:
            self.function.__code__ = original

    def repaired(
        self,
        is_right: Callable[[], bool],
        seconds: float,
        lines: Container[int] | None = None,
        scope: Scope | None = None,
    ) -> tuple[Place | None, str]:
        """Return the first line whose small change makes something right, and the changed line.

        ``lines`` are the only ones that change, ``scope`` holds the values that may be taken;
        ``(None, "")`` if none is found in the time (of the processor).
        """
        began = time.thread_time()
        for edit in edits(self.tree, scope):
            if lines is None or edit.line in lines:
                with contextlib.suppress(Exception), self.replaced_by(edit.applied):
                    if is_right():
                        return self.place(edit.line), edit.after(self.lines)
            if time.thread_time() - began > seconds:
                break
        return None, ""

    def observed(self, run: Callable[[], Any]) -> Scope:
        """Run something that calls the function; return the values in it at its last call."""
        places = list(slots(self.tree))
        names: dict[str, Any] = {}
        values: dict[int, Any] = {}

        def record(index, value):
            values[index] = value
            return value

        def watch(frame, event, _):
            if event == "return" and frame.f_code is self.function.__code__:
                names.update(frame.f_locals)

        with self.replaced_by(recording(self.tree, places, RECORD)):
            self.function.__globals__[RECORD] = record
            before = sys.getprofile()
            sys.setprofile(watch)
            try:
                run()
            except Exception:  # what it had computed until then is known
                pass
            finally:
                sys.setprofile(before)
                del self.function.__globals__[RECORD]
        scope = Scope.of(names)
        scope.results = {places[i].path: value for i, value in values.items() if is_numeric(value)}
        return scope


def with_called(functions: Sequence[Any], owner: Any) -> list[UserFunction]:
    """Return functions of the user and those that they call, each once."""
    found: dict[FunctionType, UserFunction] = {}
    waiting = [one for one in map(UserFunction.of, functions) if one is not None]
    while waiting:
        one = waiting.pop(0)
        if one.function not in found:
            found[one.function] = one
            waiting += one.called(owner)
    return list(found.values())


@functools.lru_cache(maxsize=32)
def _definitions(source: str) -> dict[int, ast.FunctionDef]:
    """Return the functions of a source by the first line of their code."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    return {
        min([node.lineno, *(one.lineno for one in node.decorator_list)]): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
