"""Phase one: config files and flags, laid over each other, and the names they choose.

A config file (YAML or JSON) says what the flags say::

    model: {name: mlp, hidden: [512, 256]}     # or only: model: mlp
    data: {name: mnist, batch_size: 64}
    callbacks:                                 # or a list: [early_stopping]
      early_stopping: {patience: 5}
    trainer: {max_epochs: 10}
    seed: 1

Later files go before earlier ones, flags before files. Naming another model or data set drops
what was said about the one before.
"""

from dataclasses import dataclass, field
from pathlib import Path

from firstlight.cli.errors import UsageError
from firstlight.cli.words import BARE

IGNORED = ("facts",)  # what a run's config.json tells besides its settings


@dataclass
class Value:
    """A value as it was given, and the file it comes from ("" for the command line)."""

    given: object
    source: str = ""


@dataclass
class Layers:
    """What all layers say together.

    Attributes
    ----------
    model, data : str or None
        The names.
    callbacks : list of str
    values : dict of str to Value
        By flag, e.g. ``"model.hidden"``.
    """

    model: str | None = None
    data: str | None = None
    callbacks: list = field(default_factory=list)
    values: dict = field(default_factory=dict)

    def choose(self, kind, name, source=""):
        """Choose the model or data set; arguments of another one are dropped."""
        check_name(kind, name, source)
        path = name if kind == "data" and name.endswith((".csv", ".npz")) else None
        if path:
            name = path[-3:]  # data sets of these names read such files
        if getattr(self, kind) not in (None, name):
            self.values = {f: v for f, v in self.values.items() if not f.startswith(f"{kind}.")}
        setattr(self, kind, name)
        if path:
            self.values["data.path"] = Value(path, source)

    def add_callback(self, name, source=""):
        """Add a callback, once."""
        check_name("callback", name, source)
        if name not in self.callbacks:
            self.callbacks.append(name)

    def add_pairs(self, pairs):
        """Lay flags over what is there; names first, so that their order does not matter."""
        for flag, value in pairs:
            if flag in ("model", "model.name", "data", "data.name"):
                self.choose(flag.partition(".")[0], value)
            elif flag == "callback":
                self.add_callback(value)
        for flag, value in pairs:
            if flag not in ("model", "model.name", "data", "data.name", "callback"):
                self.values[flag] = Value(value)

    def add_config(self, config, source):
        """Lay a config (nested dict) over what is there."""
        for key, value in config.items():
            key = key.replace("-", "_")
            if key in IGNORED:
                continue
            if key in ("model", "data"):
                self._add_chosen(key, value, source)
            elif key in ("callbacks", "callback"):
                self._add_callbacks(value, source)
            elif isinstance(value, dict):
                self._add_arguments(key, value, source)
            else:
                self.values[key] = Value(value, source)

    def _add_chosen(self, kind, value, source):
        arguments = dict(value) if isinstance(value, dict) else {"name": value}
        if "name" in arguments:
            self.choose(kind, arguments.pop("name"), source)
        self._add_arguments(kind, arguments, source)

    def _add_callbacks(self, listed, source):
        if isinstance(listed, dict):
            listed = [{name: arguments} for name, arguments in listed.items()]
        for item in listed if isinstance(listed, list) else [listed]:
            if not isinstance(item, dict):
                item = {item: None}
            for name, arguments in item.items():
                self.add_callback(name, source)
                if arguments is not None and not isinstance(arguments, dict):
                    raise UsageError(
                        f"{source}: callbacks.{name}: expected its arguments by name, "
                        f"got {shown(arguments)}"
                    )
                self._add_arguments(prefix(name), arguments or {}, source)

    def _add_arguments(self, head, arguments, source):
        for name, value in arguments.items():
            self.values[f"{head}.{name}"] = Value(value, source)


def read(pairs):
    """Return the `Layers` of all flags of a command, with the config files they name."""
    layers = Layers()
    for flag, path in pairs:
        if flag == "config":
            if path is BARE:
                raise UsageError("--config: expected a file")
            layers.add_config(load_config(path), Path(path).name)
    layers.add_pairs([pair for pair in pairs if pair[0] != "config"])
    return layers


def load_config(path):
    """Return the nested dict in a YAML or JSON file.

    Raises
    ------
    UsageError
        No such file, or it holds something else.
    """
    from jsonargparse import get_loader
    from yaml import YAMLError

    path = Path(path)
    if path.is_dir() and (path / "config.json").is_file():
        path = path / "config.json"  # a run's folder
    try:
        config = get_loader("yaml")(path.read_text(encoding="utf-8"))  # JSON is YAML too
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(f"--config {path}: cannot be read ({reason})") from error
    except YAMLError as error:
        raise UsageError(f"--config {path}: not YAML or JSON: {one_line(error)}") from error
    if config is None:
        return {}
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise UsageError(f"--config {path}: expected settings by name, got {shown(config)}")
    return config


def check_name(kind, name, source):
    """Raise a UsageError unless a name is text."""
    if not isinstance(name, str):
        where = f"{source}: {kind}" if source else f"--{kind}"
        raise UsageError(f"{where}: expected a name, got {shown(name)}")


def prefix(name):
    """Return what the flags of a named thing begin with: for a class path, its class."""
    return name.rpartition(":")[2]


def shown(value):
    """Return a value as messages show it: short, and nothing for a flag without one."""
    if value is BARE:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(error):
    """Return an error's message on one line."""
    return " ".join(str(error).split())
