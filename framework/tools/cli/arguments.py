"""Typed arguments of the named model, data, callbacks and Trainer, read with jsonargparse."""

from __future__ import annotations

import argparse
import contextlib
import csv
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.data.splits import DataSplits
from firstlight.support.printable import shown
from firstlight.support.reading import DURATION
from firstlight.tools.cli import trust
from firstlight.tools.cli.data_arguments import FROM_DATA
from firstlight.tools.cli.errors import UsageError, nearest, usage_errors
from firstlight.tools.cli.names import Names, prefix
from firstlight.tools.cli.text import summary
from firstlight.trainer import Trainer
from firstlight.training import checks

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from firstlight.module import Module

GIVEN = {"callbacks", "seed", "runs_dir", "name"}  # arguments of the Trainer with other options


@dataclass(eq=False)
class Choice:
    """One chosen class or function, its ``target``, with the ``values`` of its arguments.

    Parameters
    ----------
    kind, name : str
        E.g. "dataset" and "digits", or "package.module:function".
    skip : collection of str
        Arguments that options cannot set.

    Attributes
    ----------
    head : str
        Prefix of its options, e.g. "model" for ``--model.lr``.
    kinds : dict of str to type
        The type of each argument, by option, e.g. ``"model.lr"``.
    required : list of str
        Options of the arguments that have a type and no default.
    unset : list of str
        Options of the arguments that are not passed on if they are None.
    values : dict of str to value
    """

    kind: str
    name: str
    skip: Collection[str] = ()
    target: Callable[..., Any] = field(init=False)
    head: str = field(init=False)
    kinds: dict[str, Any] = field(default_factory=dict, init=False)
    required: list[str] = field(default_factory=list, init=False)
    unset: list[str] = field(default_factory=list, init=False)
    values: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if ":" in self.name and "" not in sys.path:
            sys.path.insert(0, "")  # import from the working directory, as python -m does
        is_trainer = self.kind == "trainer"
        with usage_errors(kinds=(plugins.UnknownNameError,)):
            self.target = Trainer if is_trainer else plugins.registry(self.kind).get(self.name)
        self.head = {"model": "model", "dataset": "data"}.get(self.kind, prefix(self.name))

    def __str__(self) -> str:
        return " ".join(dict.fromkeys((self.kind.removesuffix("set"), self.name)))

    def add_to(self, parser: ArgumentParser) -> None:
        """Add a group of arguments to jsonargparse's parser."""
        group = parser.add_argument_group(str(self), summary(self.target))
        parameters = inspect.signature(self.target).parameters
        is_class, hints = inspect.isclass(self.target), {}
        with contextlib.suppress(NameError, TypeError):  # annotations that cannot be resolved
            hints = typing.get_type_hints(self.target.__init__ if is_class else self.target)
        facts = [name for name in FROM_DATA if self.kind == "model" and name in parameters]
        for name in facts:
            kind, text = FROM_DATA[name]
            hints[name] = kind | None
            text = f"{text}; from the data if not given."
            flag = f"--{self.head}.{name}"
            group.add_argument(flag, type=hints[name], default=argparse.SUPPRESS, help=text)
        add = group.add_class_arguments if is_class else group.add_function_arguments
        options = {"as_group": False, "fail_untyped": False, "skip": {*self.skip, *facts}}
        flags = add(self.target, self.head, **options) + [f"{self.head}.{name}" for name in facts]
        for flag in flags:
            name = flag.rpartition(".")[2]
            self.kinds[flag] = hints.get(name, Any)
            if name in facts:
                self.unset.append(flag)
            elif name in parameters and parameters[name].default is inspect.Parameter.empty:
                (self.required if name in hints else self.unset).append(flag)

    def make(self, **more: Any) -> Any:
        """Call the target; refused values are a usage error, except for data, which read files."""
        try:
            return self.target(**self.values, **more)
        except (TypeError, ValueError, plugins.UnknownNameError) as error:
            if self.kind == "dataset":
                raise
            raise UsageError(f"{self}: {error}") from error
        except MemoryError as error:
            message = f"{self}: too large for this machine; choose less ({error})"
            raise UsageError(message) from error

    def make_model(self, facts: Mapping[str, Any]) -> Module:
        """Return the model; arguments that the user did not set come from ``facts``."""
        wanted = inspect.signature(self.target).parameters.keys() - self.values
        model = self.make(**{name: value for name, value in facts.items() if name in wanted})
        with usage_errors(f"{self}: ", (TypeError,)):
            checks.module(model)
        return model

    def make_data(self) -> DataSplits:
        """Return the `DataSplits`."""
        splits = self.make()
        if not isinstance(splits, DataSplits):
            raise UsageError(
                f"{self}: expected a function that returns firstlight.DataSplits, "
                f"got {type(splits).__name__}"
            )
        return splits


class Arguments:
    """The typed arguments of model, data, callbacks and Trainer.

    Parameters
    ----------
    names : Names
        With the values from config files.
    general : dict of str to (type, default, help)
        Further options of the command.
    fixed : collection of str
        Arguments of the Trainer that options cannot set.
    has_trainer : bool
        Whether there are options of the Trainer without a model: a script's run has its own.

    Attributes
    ----------
    model, data, trainer : Choice
    callbacks : list of Choice
    general, config : dict
        Values of the general options; every value, in the form that `Names` reads.
    parser : jsonargparse.ArgumentParser
    kinds : dict of str to type
        The type of each argument, by option.
    """

    data: Choice | None = None
    model: Choice | None = None
    trainer: Choice | None = None
    callbacks: list[Choice]
    choices: list[Choice]
    general: dict[str, Any]
    config: dict[str, Any]
    parser: ArgumentParser
    kinds: dict[str, Any]

    def __init__(
        self,
        names: Names,
        general: Mapping[str, tuple[Any, Any, str]] | None = None,
        fixed: Collection[str] = GIVEN,
        has_trainer: bool = False,
    ) -> None:
        names.check_trust()  # before anything is imported
        self.names = names
        if names.data:
            self.data = self._choice("dataset", names.data, {"name"})
        if names.model:
            self.model = self._choice("model", names.model, {"name"})
        if names.model or has_trainer:
            self.trainer = Choice("trainer", "trainer", fixed)
        self.callbacks = [self._choice("callback", name) for name in names.callbacks]
        chosen = [self.model, self.data, *self.callbacks, self.trainer]
        self.choices = [one for one in chosen if one]
        self.general = dict(general or {})
        self.parser = _parser()
        taken = {"config", *self.general}
        for one in self.choices:
            if one.head in taken:
                raise UsageError(
                    f"{one}: its arguments would begin with --{one.head}., which something else "
                    "has; give one of the two another name"
                )
            taken.add(one.head)
        for name, (kind, default, text) in self.general.items():
            self.parser.add_argument(f"--{name}", type=kind, default=default, help=text)
        self.kinds = {name: kind for name, (kind, _, _) in self.general.items()}
        for one in self.choices:
            one.add_to(self.parser)
            self.kinds |= one.kinds

    def _choice(self, kind, name, skip=()):
        """Return the class of a name; an error says which file the name is from."""
        source = self.names.sources.get(name, "")
        with usage_errors(f"{source}: " if source else "", kinds=(UsageError,)):
            return Choice(kind, name, skip)

    def parse(self, words: Iterable[str], known: Iterable[str] = ()) -> None:
        """Read words (``--option=value``) over the values of config files; fill all attributes.

        Raises
        ------
        UsageError
            An unknown argument, with the nearest match among ours and those in ``known``; a
            value of another type.
        """
        from jsonargparse import ArgumentError

        typed: dict[str, tuple[Any, str]] = {}
        for word in words:
            if not word.startswith("--"):
                raise UsageError(f"unexpected {word!r}; arguments begin with two dashes")
            flag, equals, value = word[2:].partition("=")
            switch = bool in members(self.kinds.get(flag))
            typed[flag] = (value if equals else "true" if switch else None), ""
        if typed.get("data.path", (None,))[0] is not None:
            self.names.choose_path(typed["data.path"][0])
        given = self.names.values | typed
        for one in self.choices:
            value, source = given.pop(one.head, (None, ""))
            if value is not None:
                message = f"expected its arguments by name, got {shown(value)}"
                raise UsageError(f"{placed(one.head, source)}: {message}")
        for flag, (value, source) in given.items():
            if self._argument(flag) is None:
                raise UsageError(self._unknown(flag, source, known))
            trust.check(self._code({flag: value}), source, self.names.trusted)
            if value is None and (flag in typed or not nullable(self.kinds.get(flag, Any))):
                raise UsageError(self._expected(flag, source, "nothing" if flag in typed else None))
        try:
            found = self._read(self.parser, given, typed)
        except ArgumentError as error:
            raise UsageError(self._explained(error, given, typed)) from None
        for flag in (flag for one in self.choices for flag in one.unset):
            if found.get(flag) is None:
                found.pop(flag, None)
        values = self.parser.instantiate(found).as_dict()
        plain = json.loads(self.parser.dump(found, format="json", skip_unset=False))
        for flag, (value, _) in given.items():
            head, _, name = flag.partition(".")
            if str in members(self.kinds.get(flag)) and DURATION.fullmatch(str(value)):
                values[head][name] = plain[head][name] = value  # jsonargparse makes 10:00 600
        for one in self.choices:
            one.values = values.get(one.head) or {}
        self.general = {name: values[name] for name in self.general}
        named = {one.head: {"name": one.name} for one in (self.model, self.data) if one}
        self.config = {head: name | plain.get(head, {}) for head, name in named.items()}
        self.config["callbacks"] = {one.name: plain.get(one.head, {}) for one in self.callbacks}
        self.config |= {"trainer": plain.get("trainer", {}), **self.general}

    @property
    def code(self) -> dict[str, Any]:
        """The settings that run code without a registered name; see `trust`."""
        said = Names()
        said.add(self.config)  # as it will be read again
        named = {one.name: trust.origin(one.name) for one in self.choices if ":" in one.name}
        return named | self._code({flag: value for flag, (value, _) in said.values.items()})

    def _code(self, values):
        """Return the values that could import code, by option."""
        kinds = {flag: self.kinds.get(self._argument(flag), int) for flag in values}
        return {flag: value for flag, value in values.items() if trust.is_code(value, kinds[flag])}

    def _argument(self, flag):
        """Return the argument that an option sets, or sets a part of; None if there is none."""
        if flag in self.kinds:
            return flag
        return next((one for one in self.kinds if flag.startswith(f"{one}.")), None)

    def _read(self, parser, given, typed) -> Namespace:
        """Parse the given values with jsonargparse."""
        easy = {flag: as_yaml(value, self.kinds.get(flag)) for flag, (value, _) in given.items()}
        files = {flag: value for flag, value in easy.items() if flag not in typed}
        words = [f"--{flag}={easy[flag]}" for flag in typed]
        return parser.parse_args([f"--config={json.dumps(files, default=str)}", *words])

    def _explained(self, error, given, typed):
        """Return one line about the first argument that is refused or missing."""
        from jsonargparse import ArgumentError

        for argument in dict.fromkeys(map(self._argument, given)):
            own = {flag: given[flag] for flag in given if self._argument(flag) == argument}
            parser = _parser()
            parser.add_argument(f"--{argument}", type=self.kinds[argument])
            try:
                self._read(parser, own, [flag for flag in own if flag in typed])
            except ArgumentError:
                flag = argument if argument in own else next(iter(own))
                return self._expected(argument, own[flag][1], shown(own[flag][0]))
        required = (flag for one in self.choices for flag in one.required if flag not in given)
        flag = next(required, None)
        return " ".join(str(error).split()) if flag is None else self._expected(flag, "", "nothing")

    def _expected(self, flag, source, got):
        text = inspect.formatannotation(self.kinds[self._argument(flag)])
        example = " (such as 512,256)" if text.startswith("tuple[int, ...]") else ""
        return f"{placed(flag, source)}: expected {text}{example}, got {got}"

    def _unknown(self, flag, source, known):
        head, dot, _ = flag.partition(".")
        owner = next((one for one in self.choices if dot and one.head == head), None)
        who = f"{owner} has no argument" if owner else "unknown argument"
        dashes = "" if source else "--"
        hint = nearest(dashes + flag, [dashes + name for name in (*self.kinds, *known)])
        if not owner and head in plugins.registry("callback").names():
            hint = f"; arguments of a callback need --callback {head} too"
        hint = hint or "; leave it out" * bool(source)
        return f"{source}: " * bool(source) + f"{who} {dashes}{flag}{hint}"


def placed(flag: str, source: str) -> str:
    """Return an option as messages name it: with two dashes, or with the file it is from."""
    return f"{source}: {flag}" if source else f"--{flag}"


def _parser() -> ArgumentParser:
    """Return a parser of jsonargparse that raises its errors and reads settings as ``--config``."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        usage=argparse.SUPPRESS, exit_on_error=False, allow_abbrev=False, add_help=False,
        print_config=None,
    )  # fmt: skip
    parser.add_argument("--config", action="config", help=argparse.SUPPRESS)
    return parser


def nullable(kind: Any) -> bool:
    """Return whether None is a value of a type."""
    return kind is typing.Any or type(None) in members(kind)


def members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the type alone."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def as_yaml(value: Any, kind: Any) -> Any:
    """Rewrite ``512,256`` or 512 as a list where one is expected, and ``none`` as null.

    Examples
    --------
    >>> from firstlight.tools.cli.arguments import as_yaml
    >>> as_yaml("512,256", tuple[int, ...]), as_yaml("512,256", str), as_yaml("none", str | None)
    ('[512,256]', '512,256', 'null')
    >>> as_yaml("0,yes", tuple[str, ...])
    '["0", "yes"]'
    """
    kinds = members(kind)
    if value in ("none", "None") and type(None) in kinds:
        return "null"
    sequences = [one for one in kinds if (typing.get_origin(one) or one) in trust.SEQUENCES]
    bare = isinstance(value, int) or (isinstance(value, str) and value[:1] not in ("[", "("))
    if not sequences or not bare or str in kinds:
        return value
    if str in typing.get_args(sequences[0]):  # quoted: YAML would make 0 a number, yes a bool
        return json.dumps(next(csv.reader([str(value)], skipinitialspace=True), []))
    return f"[{value}]"
