"""The names of model, data and callbacks, from options and config files; read first.

A config file (YAML or JSON) has the same settings as the options::

    model: {name: mlp, hidden: [512, 256]}     # or only: model: mlp
    data: {name: mnist, batch_size: 64}
    callbacks:                                 # or a list: [early_stopping]
      early_stopping: {patience: 5}
    trainer: {max_epochs: 10}
    seed: 1

Later files override earlier ones, and options override files. Naming another model or data set
drops the settings of the one before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firstlight import plugins
from firstlight.data.sources import find_source
from firstlight.support.printable import shown
from firstlight.support.reading import read_yaml
from firstlight.tools.cli import trust
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError, usage_errors

MODEL, DATA = "mlp", "digits"  # used where neither a model nor data are named


@dataclass
class Names:
    """The names of model, data and callbacks, and the settings that config files give them.

    Attributes
    ----------
    model, data : str or None
    callbacks : list of str
    values : dict of str to (value, source)
        By flag, e.g. ``"model.hidden"``; the source is a file's name, "" for the command line.
    sources : dict of str to source
        Of the names.
    trusted : bool
        Whether the user gave ``--trust``: code that files name may run.
    """

    model: str | None = None
    data: str | None = None
    callbacks: list[str] = field(default_factory=list)
    values: dict[str, tuple[Any, str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    trusted: bool = False

    def choose(self, kind: str, name: str, source: str = "") -> None:
        """Choose "model", "data" or a "callback" by name; a file of data is data too."""
        if not isinstance(name, str) or "\0" in name:
            place = f"{source}: {kind}" if source else f"--{kind}"
            raise UsageError(f"{place}: expected a name, got {shown(name)}")
        if self.sources.get(name) != "":  # a typed name stays trusted
            self.sources[name] = source
        if kind == "callback":
            self.callbacks += [name] if name not in self.callbacks else []
            return
        name, path = find_source(name) if kind == "data" else (name, None)
        if getattr(self, kind) not in (None, name):
            self.values = {f: v for f, v in self.values.items() if not f.startswith(f"{kind}.")}
        setattr(self, kind, name)
        if path:
            self.choose_path(path, source)

    def choose_defaults(self) -> None:
        """Choose an unnamed model or data: of the same name as the other, or the default."""
        if self.model is None:
            same = self.data in plugins.registry("model").names()
            self.choose("model", self.data if same else MODEL)
        if self.data is None:
            same = self.model in plugins.registry("dataset").names()
            self.choose("data", self.model if same else DATA)

    def choose_path(self, path: str, source: str = "") -> None:
        """Choose the data's file; drop files that belong to another one, such as y_path."""
        before = self.values.get("data.path", (path,))[0]
        if resolved(before) != resolved(path):
            beside = re.compile(r"data\.\w+_path")
            self.values = {f: v for f, v in self.values.items() if not beside.fullmatch(f)}
        self.values["data.path"] = path, source

    def check_trust(self) -> None:
        """Raise a `UsageError` if a file names code that the user did not agree to run."""
        for name in filter(None, (self.model, self.data, *self.callbacks)):
            if ":" in name:
                trust.check({name: trust.origin(name)}, self.sources.get(name, ""), self.trusted)

    def add_file(self, path: str) -> None:
        """Add the config in a file, or in a run's folder; it overrides what is set."""
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        self.add(load_config(path), trust.Source(Path(path).name, folder))

    def add(self, config: Mapping[str, Any], source: str = "") -> None:
        """Add a config (nested dict); it overrides what is set."""
        for key, value in config.items():
            key = key.replace("-", "_")
            if key in ("model", "data"):
                value = dict(value) if isinstance(value, dict) else {"name": value}
                if "name" in value:
                    self.choose(key, value.pop("name"), source)
            if key == "callbacks":
                self._add_callbacks(value if isinstance(value, list) else [value], source)
            elif isinstance(value, dict):
                if key == "data" and "path" in value:
                    self.choose_path(value["path"], source)
                self._set(key, value, source)
            else:
                self.values[key] = value, source

    def _add_callbacks(self, listed, source):
        for item in listed:
            for name, arguments in item.items() if isinstance(item, dict) else [(item, {})]:
                self.choose("callback", name, source)
                if not isinstance(arguments or {}, dict):
                    raise UsageError(
                        f"{source}: callbacks.{name}: expected its arguments by name, "
                        f"got {shown(arguments)}"
                    )
                self._set(prefix(name), arguments or {}, source)

    def _set(self, head, arguments, source):
        self.values.update({f"{head}.{name}": (v, source) for name, v in arguments.items()})


def load_config(path: str) -> dict[str, Any]:
    """Return the nested dict in a YAML or JSON file, or in the config.json of a run's folder.

    Raises
    ------
    UsageError
        No such file, or it holds something else.
    """
    file = Path(path) / "config.json" if Path(path).is_dir() else Path(path)
    try:
        with usage_errors(f"--config {path}: "):
            config = read_yaml(file)
    except OSError as error:
        raise UsageError(f"--config {file}: cannot be read ({error.strerror})") from error
    config = {} if config is None else config
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise UsageError(f"--config {path}: expected settings by name, got {shown(config)}")
    if Path(path).is_dir() and "optimizer" in config:
        raise UsageError(
            f"--config {path}: this run was made by a script, and fit cannot do all that a script "
            "does; run the script again"
        )
    return {key: value for key, value in config.items() if key != "facts"}


def resolved(path: object) -> Path | None:
    """Return the absolute path of a file, by which two settings are compared; None stays None."""
    return None if path is None else Path(str(path)).expanduser().resolve()


def prefix(name: str) -> str:
    """Return the prefix of the options of a model, data set or callback: its name or class.

    Examples
    --------
    >>> from firstlight.tools.cli.names import prefix
    >>> prefix("package.module:Stop"), prefix("my-callback")
    ('Stop', 'my_callback')
    """
    return re.sub(r"\W", "_", name.rpartition(":")[2])


class NamesCommand(Command):
    """A command that takes a model, data and config files by name."""

    typed = late_help = True

    options: Options = (
        option("--model NAME", lambda: f"{known('model')} (default: {MODEL})"),
        option(
            "--data NAME",
            lambda: f"{known('dataset')}, a .csv, .npz or .txt file, or csv:FILE (default: {DATA})",
        ),
        option("--config FILE", "YAML or JSON settings, or a run's folder; may be repeated", []),
        trust.OPTION,
    )

    def names(self, args: Args) -> Names:
        """Return the names and settings that config files and options give."""
        names = Names(trusted=args.trust)
        for path in args.config:
            names.add_file(path)
        for kind in ("model", "data"):
            if getattr(args, kind) is not None:
                names.choose(kind, getattr(args, kind))
        return names


def known(kind: str) -> str:
    """Return the names of a kind for a help, and the other ways to name one."""
    names = ", ".join(plugins.registry(kind).names())
    return f"{names}; or module:{'function' if kind == 'dataset' else 'Class'}"
