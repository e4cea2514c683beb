"""Phase two: the typed arguments of what was chosen, and objects made from them."""

import sys
from dataclasses import dataclass, field

from firstlight import checks, plugins
from firstlight.cli.errors import UsageError, nearest
from firstlight.cli.facts import FACTS
from firstlight.cli.layers import prefix
from firstlight.cli.signature import REQUIRED, Argument, arguments_of
from firstlight.cli.values import convert
from firstlight.data import DataSplits
from firstlight.trainer import Trainer

GENERAL = (
    Argument("name", str | None, None, "name of the run (default: model-data)"),
    Argument("runs_dir", str | None, "runs", "folder that keeps all runs; none keeps none"),
    Argument("seed", int, 0, "seeds everything random"),
)
OWN_FLAGS = ("callbacks", "seed", "runs_dir", "name")  # of the Trainer: general flags here


@dataclass
class Choice:
    """One chosen class or function and its arguments.

    Attributes
    ----------
    kind, name : str
        E.g. "model" and "mlp".
    target : class or function
    arguments : list of Argument
    values : dict
        By argument name: given or default.
    """

    kind: str
    name: str
    target: object
    arguments: list
    values: dict = field(default_factory=dict)

    def take(self, values):
        """Take its own values out of ``{flag: value}``."""
        self.values = {a.name: values[a.flag] for a in self.arguments if a.flag in values}

    def make(self, **more):
        """Call the target; values it refuses are a usage error (of data: files may be at fault)."""
        values = {**self.values, **more}
        for argument in self.arguments:
            if argument.name not in values and not argument.from_data:
                raise UsageError(
                    f"{self.kind} {self.name} needs --{argument.flag} ({argument.kind})"
                )
        try:
            return self.target(**values)
        except (TypeError, ValueError) as error:
            if self.kind == "dataset":
                raise
            who = self.kind if self.kind == "trainer" else f"{self.kind} {self.name}"
            raise UsageError(f"{who}: {error}") from error


@dataclass
class Settings:
    """Everything one command needs, typed.

    Attributes
    ----------
    model, data, trainer : Choice
    callbacks : list of Choice
    general : dict
        name, runs_dir, seed.
    """

    model: Choice
    data: Choice
    trainer: Choice
    callbacks: list
    general: dict = field(default_factory=dict)

    def config(self):
        """Return the nested dict that `firstlight.cli.layers` reads, with every value in it."""
        return {
            "model": {"name": self.model.name, **self.model.values},
            "data": {"name": self.data.name, **self.data.values},
            "callbacks": {choice.name: choice.values for choice in self.callbacks},
            "trainer": self.trainer.values,
            **self.general,
        }

    def choices(self):
        """Return every `Choice`."""
        return [self.model, self.data, self.trainer, *self.callbacks]

    def arguments(self):
        """Return all `Argument` objects, the general ones first."""
        return [*GENERAL, *(a for choice in self.choices() for a in choice.arguments)]

    def make_model(self, facts):
        """Return the model; what the user did not set and the data tell comes from ``facts``."""
        filled = {}
        for argument in self.model.arguments:
            name = argument.name
            if not argument.from_data or name in self.model.values:
                continue
            if name in facts:
                filled[name] = facts[name]
            elif argument.default is REQUIRED:
                raise UsageError(
                    f"model {self.model.name} needs --{argument.flag} ({argument.kind}), which "
                    f"data {self.data.name} does not tell"
                )
        model = self.model.make(**filled)
        try:
            checks.module(model)
        except TypeError as error:
            raise UsageError(f"model {self.model.name}: {error}") from error
        return model

    def make_trainer(self, **changes):
        """Return the trainer with its callbacks; its config is that of these settings."""
        callbacks = [choice.make() for choice in self.callbacks]
        trainer = self.trainer.make(callbacks=callbacks, **changes)
        trainer.config = self.config()
        return trainer


def choose(layers):
    """Return the `Settings` of what layers name, without values yet.

    Raises
    ------
    UsageError
        An unknown name, with the nearest match.
    """
    return Settings(
        model=choice("model", layers.model, "model", skip=("name",), from_data=FACTS),
        data=choice("dataset", layers.data, "data", skip=("name",)),
        trainer=Choice(
            "trainer", "Trainer", Trainer, arguments_of(Trainer, "trainer", skip=OWN_FLAGS)
        ),
        callbacks=[choice("callback", name, prefix(name)) for name in layers.callbacks],
    )


def fill(settings, layers, known=()):
    """Give settings the values that layers hold, and defaults for the rest.

    Parameters
    ----------
    settings : Settings
    layers : Layers
    known : collection of str
        Further flags that the command understands, for suggestions.

    Raises
    ------
    UsageError
        An unknown argument, with the nearest match; a value of another type.
    """
    values = typed(settings.arguments(), layers, known)
    settings.general = {argument.name: values[argument.flag] for argument in GENERAL}
    for chosen in settings.choices():
        chosen.take(values)


def typed(arguments, layers, known=()):
    """Return ``{flag: value}`` of what layers give and of all defaults; see `fill`."""
    by_flag = {argument.flag: argument for argument in arguments}
    values = {
        argument.flag: argument.default
        for argument in arguments
        if argument.default is not REQUIRED and not argument.from_data
    }
    for flag, value in layers.values.items():
        if flag not in by_flag:
            raise UsageError(unknown(flag, value.source, [*by_flag, *known], layers))
        values[flag] = convert(by_flag[flag], value)
        if by_flag[flag].from_data and values[flag] is None:
            del values[flag]
    return values


def choice(kind, name, head, skip=(), from_data=()):
    """Return the `Choice` a name stands for: a registered one, or ``package.module:Class``."""
    if ":" in name and "" not in sys.path:
        sys.path.insert(0, "")  # a module of one's own in the present folder, as `python -m` does
    try:
        target = plugins.registry(kind).get(name)
    except plugins.UnknownNameError as error:
        raise UsageError(str(error)) from error
    return Choice(kind, name, target, arguments_of(target, head, skip, from_data))


def load_data(choice):
    """Return the `DataSplits` that a `Choice` of kind "dataset" makes."""
    splits = choice.make()
    if not isinstance(splits, DataSplits):
        raise UsageError(
            f"data {choice.name}: expected a function that returns firstlight.DataSplits, "
            f"got {type(splits).__name__}"
        )
    return splits


def unknown(flag, source, known, layers):
    """Return the message for a flag that nothing chosen has."""
    head = flag.partition(".")[0]
    owner = {"model": f"model {layers.model} has", "data": f"data {layers.data} has"}.get(head)
    who = f"{owner} no argument" if owner and "." in flag else "unknown argument"
    hint = nearest(flag, known)
    if head in plugins.registry("callback").names() and head not in layers.callbacks:
        hint = f"; arguments of a callback need --callback {head} too"
    if source:
        return f"{source}: {who} {flag}{hint}"
    return f"{who} --{flag}{hint.replace('did you mean ', 'did you mean --')}"
