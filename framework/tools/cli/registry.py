"""The registry of commands, and the search for the command of a command line."""

from collections.abc import Iterator, Sequence

from firstlight import plugins
from firstlight.tools.cli.command import Command
from firstlight.tools.cli.commands import register_commands
from firstlight.tools.cli.errors import UsageError, nearest
from firstlight.tools.cli.text import described

OTHER_NAMES = {  # their names in other programs
    "train": "fit",
    "evaluate": "test",
    "eval": "test",
    "infer": "predict",
    "ls": "runs list",
    "datasets": "data",
    "callbacks": "plugins",
    "tune": "sweep",
}


def registries() -> Iterator[plugins.Registry]:
    """Yield the registry of our own commands, then that of all plugins, which is made on demand."""
    own = plugins.Registry("command")
    register_commands(own)
    yield own
    if plugins.others_installed():
        yield plugins.registry("command")


def find(words: Sequence[str], group: str = "") -> tuple[type[Command], str, list[str]]:
    """Return the command that words begin with, its name, and the words behind it.

    Parameters
    ----------
    words : list of str
    group : str
        The first word of the command's name, e.g. "runs", if it is not among the words.
    """
    names = [f"{group} {words[0]}"] if group else [" ".join(words[:2]), words[0]]
    known: list[str] = []
    for registry in registries():
        for name in names:
            if name in registry.summaries:
                command = registry.get(name)
                if not (isinstance(command, type) and issubclass(command, Command)):
                    raise TypeError(
                        f"command {name}: expected a subclass of firstlight.tools.cli.command."
                        f"Command, got {command!r}"
                    )
                return command, name, list(words[len(name.split()) - bool(group) :])
        known += members(registry, group)
    hint = nearest(words[0], known)
    if group:
        hint = hint or f"; there are {', '.join(known)}"
    elif words[0] in OTHER_NAMES:
        hint = f"; did you mean {OTHER_NAMES[words[0]]}?"
    raise UsageError(f"unknown command {names[0] if group else words[0]}{hint}")


def members(registry: plugins.Registry, group: str = "") -> dict[str, str]:
    """Return the names in a registry, or what follows a group's name in them, and summaries."""
    parts = {name: name.rpartition(" ") for name in registry.summaries}
    return {
        last: described(registry, name)
        for name, (first, _, last) in parts.items()
        if first == group
    }


def overview(group: str = "") -> str:
    """Return a line about each command, or about each of a group such as "runs"."""
    lines: dict[str, str] = {}
    for registry in registries():
        lines = members(registry, group) | lines
    return "\n".join(f"  {name:<{9 if group else 12}} {text}" for name, text in lines.items())
