"""Trust: code that files name runs only if the user agrees.

Names that the user types are trusted. A config file or a run's folder may come from other people: a
class that it names by import path, ``module:Class`` or ``file.py:Class``, is imported with
``--trust`` only. Runs and sweeps that this user's own commands have made need no flag; see
`firstlight.runs.consent`.
"""

import importlib.util
import os
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlight.runs.consent import recorded
from firstlight.support.printable import shown
from firstlight.tools.cli.command import option
from firstlight.tools.cli.errors import UsageError

OPTION = option("--trust", "run code that config files or the run name, e.g. module:Class", False)
PLAIN = (int, float, str, bool, type(None), Ellipsis)
SEQUENCES = (list, tuple, Sequence)
HOLDING = (*SEQUENCES, dict, typing.Union, types.UnionType)


class Source(str):
    """The origin of a setting as messages name it: a file's name, or "" if it was typed.

    Attributes
    ----------
    folder : path-like or None
        The folder of the run, or sweep, that the file belongs to.
    """

    folder: str | os.PathLike[str] | None

    def __new__(cls, text: str, folder: str | os.PathLike[str] | None = None) -> "Source":
        made = super().__new__(cls, text)
        made.folder = folder
        return made


def check(code: Mapping[str, Any], source: str, given: bool) -> None:
    """Raise a `UsageError` unless code that a file names may run.

    Parameters
    ----------
    code : dict of str to value
        Names of classes and functions, with their `origin`; or flags, with their values.
    source : Source
    given : bool
        Whether the user gave ``--trust``.
    """
    if given or not source:
        return
    known = recorded(getattr(source, "folder", None))
    for name, value in code.items():
        if name not in known or known[name] != value:
            what = name if ":" in name else f"{name}={shown(value)}"
            raise UsageError(
                f"{source} names {what}, code that would run with your rights; if you trust where "
                "it comes from, add --trust"
            )


def origin(name: str) -> str:
    """Return the file that ``module:Class`` would be imported from, without importing it.

    For a module within packages it is the outermost package's: finding the others runs its code.
    """
    module = name.rpartition(":")[0]
    if module.endswith(".py"):
        return str(Path(module).resolve())
    before, sys.path = sys.path, ["", *sys.path]  # modules in the present folder go first
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    finally:
        sys.path = before
    of_package = getattr(found, "submodule_search_locations", None)
    places = [found.origin] if found and found.origin else of_package
    return os.pathsep.join(str(Path(place).resolve()) for place in places or ())


def is_code(value: Any, kind: Any) -> bool:
    """Return whether a value from a file could make jsonargparse import something.

    It imports the values of arguments that take a class or a function, or have no type.

    Examples
    --------
    >>> from firstlight.tools.cli.trust import is_code
    >>> from firstlight import Module
    >>> is_code("os.system", str), is_code("ReLU", Module), is_code("mine.ReLU", Module)
    (False, False, True)
    """
    if _is_plain(kind) or value is None or isinstance(value, (bool, int, float)):
        return False
    if isinstance(value, (list, tuple)):
        return any(is_code(item, kind) for item in value)
    if isinstance(value, dict):
        return any("class_path" in str(n) or is_code(item, kind) for n, item in value.items())
    if kind is typing.Any:
        return any(sign in str(value) for sign in "{[:\n")  # YAML, in which a class may be named
    return not re.fullmatch(r"[\w+-]*|[-+\d.e]+", str(value)) or Path(value).exists()


def _is_plain(kind):
    """Return whether a type is of numbers, texts and lists or dicts of them only."""
    if kind in PLAIN:
        return True
    outer = typing.get_origin(kind)
    if outer is typing.Literal:
        return True
    inner = typing.get_args(kind)
    return outer in HOLDING and bool(inner) and all(map(_is_plain, inner))
