"""Guards of a solution's process: what no solution may do there is refused and named.

They protect a teacher from mistakes and simple tricks; a process, its limits and results that are
judged elsewhere protect the grades.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

import firstlight
from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.outcome import Problem

FRAMEWORKS = {"torch", "tensorflow", "jax", "keras", "autograd", "tinygrad", "mxnet", "theano"}
PROCESSES = {"os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.kill"}
PROCESSES |= {"subprocess.Popen", "os.startfile", "pty.spawn"}
FAST = os.path.join(os.path.dirname(os.path.realpath(firstlight.__file__)), "fast", "")
NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")
WATCHED: tuple[Any, ...] = (np, np.linalg, np.testing, builtins, sys, Module, Parameter)
UNWATCHED = {"_", "last_exc", "last_type", "last_value", "last_traceback", "stdout", "stderr"}


class Forbidden(BaseException):
    """Raised where a solution does what none may do."""


class Guard:
    """Refuses and records forbidden steps while it is active.

    Parameters
    ----------
    exercise : Exercise
        Its lessons must not be run or read.
    folder : str
        The only one to which a solution may write.
    path, private : str
        The solution's file, and the folder of all submissions, "" if there is none; only the
        file's own entry of it may be read.

    Attributes
    ----------
    recorded : list of Problem
    """

    def __init__(self, exercise: Exercise, folder: str, path: str, private: str):
        self.exercise = exercise
        self.folder = os.path.realpath(folder)
        self.recorded: list[Problem] = []
        self.active = False
        self.others = os.path.realpath(private) + os.sep if private else ""
        self.own = os.sep.join(
            os.path.realpath(path).split(os.sep)[: self.others.count(os.sep) + 1]
        )
        modules = [importlib.import_module(name) for name in exercise.lessons]
        self.sources = {os.path.realpath(module.__file__ or "") for module in modules}
        for module in modules:
            self._disable(module)
        for name in [name for name in sys.modules if name.startswith("firstlight.fast")]:
            del sys.modules[name]  # so that an import of the faster forms is noticed
        vars(firstlight).pop("fast", None)
        sys.pycache_prefix = None  # compiled files are read beside their sources, which is noticed
        self._before = [dict(vars(one)) for one in WATCHED]
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Be active within the block."""
        self.active = True
        try:
            yield
        finally:
            self.active = False

    def refuse(self, kind: str, message: str) -> None:
        """Record a step, and raise `Forbidden`."""
        if not any(one.message == message for one in self.recorded):
            self.recorded.append(Problem("", kind, message))
        raise Forbidden(message)

    def check_namespaces(self) -> None:
        """Record names of NumPy, Python and firstlight that a solution has replaced."""
        for owner, before in zip(WATCHED, self._before, strict=True):
            now = vars(owner)
            changed = {n for n, value in before.items() if now.get(n) is not value} - UNWATCHED
            for name in sorted(changed):
                place = getattr(owner, "__name__", owner)
                self.recorded.append(Problem("", "patch", f"{place}.{name}"))

    def _disable(self, module: ModuleType) -> None:
        """Make the blanks of a lesson refuse to run."""
        for blank in self.exercise.blanks:
            first, _, method = blank.partition(".")
            owner = getattr(module, first, None)
            refuse = functools.partial(self.refuse, "lesson", f"{module.__name__}.{blank}")
            if method and owner is not None:
                for name in {n for n in vars(owner) if n in (method, "__call__")}:
                    setattr(owner, name, lambda *_, refuse=refuse, **__: refuse())
            elif isinstance(owner, FunctionType):
                _replace_body(owner, refuse)

    def _audit(self, event, args):
        if not self.active:
            return
        if event in PROCESSES:
            self.refuse("process", event)
        elif event in NETWORK:
            self.refuse("network", event)
        elif event == "import" and str(args[0]).partition(".")[0] in FRAMEWORKS:
            self.refuse("framework", str(args[0]))
        elif event == "open" and isinstance(args[0], str | bytes):
            self._audit_file(os.path.realpath(os.fsdecode(args[0])), args[2])
        elif event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree"):
            self._audit_file(os.path.realpath(os.fsdecode(args[0])), os.O_WRONLY)

    def _audit_file(self, path, flags):
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else 0
        if path in self.sources or path.startswith(FAST):
            self.refuse("lesson", path)
        if FRAMEWORKS & set(path.rpartition("-packages" + os.sep)[2].split(os.sep)[:1]):
            self.refuse("framework", path)
        if self.others and path.startswith(self.others) and not path.startswith(self.own):
            self.refuse("read", path)
        inside = path.startswith((self.folder + os.sep, os.devnull))
        if writes and not inside and not path.endswith(".pyc"):
            self.refuse("write", path)


def _replace_body(function, refuse):
    """Give a function another body in place, which all names of it then run."""
    function.__globals__[f"_refuse_{function.__name__}"] = refuse
    source = f"def body(*_, **__): _refuse_{function.__name__}()"
    names: dict[str, Any] = {}
    exec(source, names)
    function.__code__ = names["body"].__code__
    function.__defaults__ = function.__kwdefaults__ = None
