"""Phase two: jsonargparse reads the typed arguments of what was named; objects are made of them."""

import argparse
import contextlib
import csv
import inspect
import json
import re
import sys
import types
import typing

from firstlight import plugins
from firstlight.data.splits import DataSplits
from firstlight.tools.cli import trust
from firstlight.tools.cli.errors import UsageError, nearest, shown
from firstlight.tools.cli.facts import FACTS
from firstlight.tools.cli.names import Names, prefix
from firstlight.tools.cli.text import summary
from firstlight.trainer import Trainer
from firstlight.training import checks

OWN_FLAGS = {"callbacks", "seed", "runs_dir", "name"}  # of the Trainer: general flags here


class Choice:
    """One chosen class or function, its ``target``, with the ``values`` of its arguments.

    Parameters
    ----------
    kind, name : str
        E.g. "dataset" and "digits", or "package.module:function".
    skip : collection of str
        Arguments that flags cannot set.
    """

    def __init__(self, kind, name, skip=()):
        if ":" in name and "" not in sys.path:
            sys.path.insert(0, "")  # a module of one's own in the present folder, as python -m does
        try:
            self.target = Trainer if kind == "trainer" else plugins.registry(kind).get(name)
        except plugins.UnknownNameError as error:
            raise UsageError(str(error)) from error
        self.kind, self.name, self.skip, self.values = kind, name, skip, {}
        self.unset = set()  # arguments that None stands for the lack of
        self.head = {"model": "model", "dataset": "data"}.get(kind, prefix(name))

    def __str__(self):
        return " ".join(dict.fromkeys((self.kind.removesuffix("set"), self.name)))

    def add_to(self, parser):
        """Add a group of arguments to a jsonargparse parser; returns ``{flag: type}``."""
        group = parser.add_argument_group(str(self), summary(self.target))
        parameters = inspect.signature(self.target).parameters
        is_class, kinds = inspect.isclass(self.target), {}
        with contextlib.suppress(NameError, TypeError):  # annotations that cannot be resolved
            kinds |= typing.get_type_hints(self.target.__init__ if is_class else self.target)
        self.unset = {n for n, p in parameters.items() if p.default is p.empty and n not in kinds}
        facts = [name for name in FACTS if self.kind == "model" and name in parameters]
        self.unset.update(facts)
        for name in facts:
            kind, text = FACTS[name]
            kinds[name], text = kind | None, f"{text}; from the data if not given."
            flag = f"--{self.head}.{name}"
            group.add_argument(flag, type=kinds[name], default=argparse.SUPPRESS, help=text)
        add = group.add_class_arguments if is_class else group.add_function_arguments
        options = {"as_group": False, "fail_untyped": False, "skip": {*self.skip, *facts}}
        flags = add(self.target, self.head, **options) + [f"{self.head}.{name}" for name in facts]
        return {flag: kinds.get(flag.rpartition(".")[2], typing.Any) for flag in flags}

    def make(self, **more):
        """Call the target; values it refuses are a usage error (of data: files may be at fault)."""
        try:
            return self.target(**self.values, **more)
        except (TypeError, ValueError) as error:
            if self.kind == "dataset":
                raise
            raise UsageError(f"{self}: {error}") from error
        except MemoryError as error:
            raise UsageError(
                f"{self}: too large for this machine; choose less ({error})"
            ) from error

    def make_model(self, facts):
        """Return the model; what the user did not set and the data tell comes from ``facts``."""
        wanted = inspect.signature(self.target).parameters.keys() - self.values
        model = self.make(**{name: value for name, value in facts.items() if name in wanted})
        try:
            checks.module(model)
        except TypeError as error:
            raise UsageError(f"{self}: {error}") from error
        return model

    def make_data(self):
        """Return the `DataSplits`."""
        splits = self.make()
        if not isinstance(splits, DataSplits):
            raise UsageError(
                f"{self}: expected a function that returns firstlight.DataSplits, "
                f"got {type(splits).__name__}"
            )
        return splits


class Arguments:
    """The typed arguments of all that is named.

    Parameters
    ----------
    names : Names
        With the values from config files.
    general : dict of str to (type, default, help)
        Flags beside those of what is named.
    fixed : collection of str
        Arguments of the Trainer that flags cannot set.

    Attributes
    ----------
    model, data, trainer : Choice
    callbacks : list of Choice
    general, config : dict
        Values of the general flags; every value, as `firstlight.tools.cli.names` reads it.
    """

    def __init__(self, names, general=(), fixed=OWN_FLAGS):
        from jsonargparse import ArgumentParser

        names.check_trust()  # before anything is imported
        self.names = names
        self.data, self.model, self.trainer = Choice("dataset", names.data, {"name"}), None, None
        if names.model:
            self.model = Choice("model", names.model, {"name"})
            self.trainer = Choice("trainer", "trainer", fixed)
        self.callbacks = [Choice("callback", name) for name in names.callbacks]
        chosen = [self.model, self.data, *self.callbacks, self.trainer]
        self.choices = [one for one in chosen if one]
        self.general = dict(general)
        taken = {"config", *self.general}
        for one in self.choices:
            if one.head in taken:
                raise UsageError(
                    f"{one}: its arguments would begin with --{one.head}., which something else "
                    "has; give one of the two another name"
                )
            taken.add(one.head)
        self.parser = ArgumentParser(
            usage=argparse.SUPPRESS, exit_on_error=False, allow_abbrev=False, add_help=False,
            print_config=None,
        )  # fmt: skip
        self.parser.add_argument("--config", action="config", help=argparse.SUPPRESS)
        for name, (kind, default, text) in self.general.items():
            self.parser.add_argument(f"--{name}", type=kind, default=default, help=text)
        self.kinds = {name: kind for name, (kind, _, _) in self.general.items()}
        for one in self.choices:
            self.kinds |= one.add_to(self.parser)

    def parse(self, words, known=()):
        """Read words (``--flag=value``) over the values of config files; fills all attributes.

        Raises
        ------
        UsageError
            An unknown argument, with the nearest match among ours and those in ``known``; a
            value of another type.
        """
        from jsonargparse import ArgumentError

        for word in words:
            if word.startswith("--data.path="):
                self.names.choose_path(word.partition("=")[2])
        given, argv = dict(self.names.values), []
        for one in self.choices:
            value, source = given.pop(one.head, (None, ""))
            if value is not None:
                message = f"expected its arguments by name, got {shown(value)}"
                raise UsageError(f"{source}: {one.head}: {message}")
        for flag, (value, source) in given.items():
            if source and self._argument(flag) is None:
                raise UsageError(self._unknown(flag, source, known))
            trust.check(self._code({flag: value}), source, self.names.trusted)
            if value is None and flag in self.kinds and not nullable(self.kinds[flag]):
                text = inspect.formatannotation(self.kinds[flag])
                raise UsageError(f"{source}: {flag}: expected {text}, got None")
        easy = {flag: eased(value, self.kinds.get(flag)) for flag, (value, _) in given.items()}
        for word in words:
            flag, equals, value = word.removeprefix("--").partition("=")
            if word.startswith("--") and flag in self.kinds:
                given[flag] = (value if equals else None), ""
                if not equals and bool in members(self.kinds[flag]):
                    value, equals = "true", "="  # a switch
                word = f"--{flag}" + (f"={eased(value, self.kinds[flag])}" if equals else "")
            argv.append(word)
        try:
            found = self.parser.parse_args([f"--config={json.dumps(easy, default=str)}", *argv])
        except ArgumentError as error:
            raise UsageError(self._explain(str(error), given, known)) from None
        for flag in [f"{one.head}.{name}" for one in self.choices for name in one.unset]:
            if found.get(flag) is None:
                found.pop(flag, None)
        values = self.parser.instantiate(found).as_dict()
        plain = json.loads(self.parser.dump(found, format="json", skip_unset=False))
        for one in self.choices:
            one.values = values.get(one.head) or {}
        self.general = {name: values[name] for name in self.general}
        named = {one.head: {"name": one.name} for one in (self.model, self.data) if one}
        self.config = {head: name | plain.get(head, {}) for head, name in named.items()}
        self.config["callbacks"] = {one.name: plain.get(one.head, {}) for one in self.callbacks}
        self.config |= {"trainer": plain.get("trainer", {}), **self.general}

    @property
    def code(self):
        """What of the settings runs code that has no registered name; see `trust`."""
        said = Names()
        said.add(self.config)  # as it will be read again
        named = {one.name: trust.origin(one.name) for one in self.choices if ":" in one.name}
        return named | self._code({flag: value for flag, (value, _) in said.values.items()})

    def _code(self, values):
        """Return those of some flags' values that could have something imported."""
        kinds = {flag: self.kinds.get(self._argument(flag), int) for flag in values}
        return {flag: value for flag, value in values.items() if trust.is_code(value, kinds[flag])}

    def _argument(self, flag):
        """Return the argument that a flag sets, or sets a part of; None if there is none."""
        if flag in self.kinds:
            return flag
        return next((one for one in self.kinds if flag.startswith(f"{one}.")), None)

    def _explain(self, message, given, known):
        """Return jsonargparse's message as one line about one argument."""
        wrong = re.match("unrecognized arguments: (--)?([^ =]*)", message)
        if wrong and not wrong[1]:
            return f"unexpected {wrong[2]!r}; arguments begin with two dashes"
        pattern = r'Parser key "(.*?)"|Option \'(.*?)\'|required: ([^ ,]*)|argument --(.*?):'
        found = wrong or re.search(pattern, message)
        if found is None:
            return " ".join(message.split())
        flag = next((name for name in found.groups() if name and name != "--"), None)
        if flag is None:
            return " ".join(message.split())
        value, source = given.get(flag, (None, ""))
        if flag not in self.kinds:
            return self._unknown(flag, source, known)
        text = inspect.formatannotation(self.kinds[flag])
        example = " (such as 512,256)" if text.startswith("tuple[int, ...]") else ""
        place = f"{source}: {flag}" if source else f"--{flag}"
        return (
            f"{place}: expected {text}{example}, got {'nothing' if value is None else shown(value)}"
        )

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


def nullable(kind):
    """Return whether None is a value of a type."""
    return kind is typing.Any or type(None) in members(kind)


def members(kind):
    """Return the types of a union, or the type alone."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def eased(value, kind):
    """Let ``512,256`` or 512 be a list where one is wanted, and ``none`` be null.

    Examples
    --------
    >>> from firstlight.tools.cli.arguments import eased
    >>> eased("512,256", tuple[int, ...]), eased("512,256", str), eased("none", str | None)
    ('[512,256]', '512,256', 'null')
    >>> eased("0,yes", tuple[str, ...])
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
