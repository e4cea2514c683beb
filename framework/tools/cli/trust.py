"""Trust: code that files name runs only where the user agrees.

What the user types now is theirs. A config file or a run's folder may come from anybody: what it
names by where it is, ``module:Class`` or ``file.py:Class``, is imported with ``--trust`` only.
Runs and sweeps that this user's own commands have made need no flag: a record of each lies in the
user's own state folder, outside the run, so that nothing in a run's folder can grant it.
"""

import collections.abc
import hashlib
import importlib.util
import json
import os
import re
import sys
import types
import typing
from pathlib import Path

from firstlight.support.files import write_json
from firstlight.tools.cli.errors import UsageError, shown

HELP = "run code that config files or the run name: module:Class, or a file of Python"
PLAIN = (int, float, str, bool, type(None), Ellipsis)
SEQUENCES = (list, tuple, collections.abc.Sequence)
HOLDING = (*SEQUENCES, dict, typing.Union, types.UnionType)


class Source(str):
    """Where a setting comes from, as messages name it: a file's name, or "" if it was typed.

    Attributes
    ----------
    folder : path-like or None
        The folder of the run, or sweep, that the file belongs to.
    """

    __slots__ = ("folder",)

    def __new__(cls, text, folder=None):
        made = super().__new__(cls, text)
        made.folder = folder
        return made


def check(code, source, given):
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


def origin(name):
    """Return the file that ``module:Class`` would be imported from, without importing it.

    Of a module within packages the outermost package's: finding others would run its code.
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
    places = (
        [found.origin]
        if found and found.origin
        else getattr(found, "submodule_search_locations", None)
    )
    return os.pathsep.join(str(Path(place).resolve()) for place in places or ())


def is_code(value, kind):
    """Return whether a value from a file could have jsonargparse import something.

    It imports what is said for an argument that takes a class or a function, or has no type.

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


def remember(folder, code):
    """Note that this user's own command fills a run's, or sweep's, folder with this code."""
    if code:
        record = _record(folder)
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(record, {"folder": str(Path(folder).resolve()), "code": code})


def recorded(folder):
    """Return the code that `remember` noted for a folder; {} for another user's."""
    if folder is None:
        return {}
    try:
        found = json.loads(_record(folder).read_text(encoding="utf-8"))
        same = found["folder"] == str(Path(folder).resolve())
        return dict(found["code"]) if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _record(folder):
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()
    return Path(state) / "firstlight" / "trusted" / f"{name}.json"


def _is_plain(kind):
    """Return whether a type is of numbers, texts and lists or dicts of them only."""
    if kind in PLAIN:
        return True
    outer = typing.get_origin(kind)
    if outer is typing.Literal:
        return True
    inner = typing.get_args(kind)
    return outer in HOLDING and bool(inner) and all(map(_is_plain, inner))
