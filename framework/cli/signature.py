"""The typed arguments of a class or function, from its signature and docstring."""

import collections.abc
import functools
import inspect
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path

PLAIN = (int, float, str, bool, type(None), Path, dict, list, tuple, typing.Any)
SEQUENCES = (list, tuple, collections.abc.Sequence)
WORDS = {str: "text", Path: "path", type(None): "none", typing.Any: "value", dict: "mapping"}
REQUIRED = inspect.Parameter.empty


@dataclass
class Argument:
    """One argument that can be given on the command line.

    Attributes
    ----------
    flag : str
        E.g. ``"model.hidden"``.
    type : type
    default : object
        `REQUIRED` if it has none.
    help : str
    choices : str
        The values that the docstring lists, e.g. ``relu|tanh``.
    from_data : bool
        Whether the data fill it in where the user does not.
    """

    flag: str
    type: object
    default: object = REQUIRED
    help: str = ""
    choices: str = ""
    from_data: bool = False

    @property
    def name(self):
        """The argument's own name, as its function knows it."""
        return self.flag.rpartition(".")[2]

    @property
    def kind(self):
        """What to give, e.g. ``int,int,...`` or ``relu|tanh``."""
        optional = type(None) in members(self.type)
        kind = self.choices + "|none" * optional if self.choices else describe(self.type)
        return kind.removesuffix("|none") if self.from_data else kind


def arguments_of(target, head, skip=(), from_data=()):
    """Return the `Argument` list of a class or function.

    Parameters
    ----------
    target : class or function
    head : str
        What the flags begin with, e.g. "model".
    skip : collection of str
        Arguments to leave out. Those whose type cannot be written as text, such as a generator,
        are left out too where they have a default.
    from_data : collection of str
        Arguments that the data fill in.
    """
    function = target.__init__ if inspect.isclass(target) else target
    try:
        parameters = list(inspect.signature(target).parameters.values())
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, ValueError):  # an annotation that cannot be resolved
        hints = {}
    texts = _documented(target)
    found = []
    for parameter in parameters:
        name = parameter.name
        if name in skip or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        kind = hints.get(name) or _type_of(parameter.default)
        if not _writable(kind) and parameter.default is not REQUIRED:
            continue
        help_text, choices = texts.get(name, ("", ""))
        argument = Argument(f"{head}.{name}", kind, parameter.default, help_text, choices)
        if name in from_data:
            argument.from_data, argument.type = True, kind | None
        found.append(argument)
    return found


def members(kind):
    """Return the types of a union, or the type alone."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def describe(kind):
    """Return a short text for a type: ``int``, ``int,int,...``, ``a|b``, ``text|none``.

    Examples
    --------
    >>> from firstlight.cli.signature import describe
    >>> describe(tuple[int, ...]), describe(float | None), describe(bool)
    ('int,int,...', 'float|none', 'true|false')
    """
    if len(members(kind)) > 1:
        return "|".join(dict.fromkeys(describe(member) for member in members(kind)))
    if kind is bool:
        return "true|false"
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "|".join(str(choice) for choice in inner)
    if is_sequence(kind):
        if Ellipsis in inner or len(inner) == 1:
            return f"{describe(inner[0])},{describe(inner[0])},..."
        return ",".join(describe(one) for one in inner) or "value,value,..."
    if kind in WORDS or origin is dict:
        return WORDS.get(kind, "mapping")
    return getattr(kind, "__name__", str(kind))


def is_sequence(kind):
    """Return whether a type is a list or tuple of something."""
    return kind in SEQUENCES or typing.get_origin(kind) in SEQUENCES


@functools.cache
def _documented(target):
    """Return ``{argument: (description, choices)}`` from the docstrings of a target."""
    import docstring_parser

    found = {}
    for owner in (target, getattr(target, "__init__", None)):
        for item in docstring_parser.parse(inspect.getdoc(owner) or "").params:
            text = " ".join((item.description or "").replace("`", "").split())
            kind = item.type_name or ""
            choices = "|".join(re.findall(r"[\"']([\w.:-]+)[\"']", kind)) if "{" in kind else ""
            for name in item.arg_name.split(","):
                found.setdefault(name.strip(" *"), (text, choices))
    return found


def _type_of(default):
    """Guess a type from a default value, where the argument has no annotation."""
    if default is REQUIRED or default is None:
        return typing.Any
    if type(default) is int:
        return int | float
    if isinstance(default, (list, tuple)):
        kinds = {type(value) for value in default}
        return list[kinds.pop()] if len(kinds) == 1 else list
    return type(default)


def _writable(kind):
    """Return whether values of a type can be written on a command line."""
    if len(members(kind)) > 1:
        return all(_writable(member) for member in members(kind))
    if typing.get_origin(kind) is typing.Literal or kind in PLAIN:
        return True
    if is_sequence(kind) or typing.get_origin(kind) is dict:
        return all(one is Ellipsis or _writable(one) for one in typing.get_args(kind))
    return False
