"""The registry of commands: which there are, and which one a command line means."""

from collections.abc import Iterator, Sequence

from firstlight import plugins
from firstlight.tools.cli.command import Command
from firstlight.tools.cli.commands import register_commands
from firstlight.tools.cli.errors import UsageError, nearest
from firstlight.tools.cli.text import summary

OTHER_NAMES = {  # what other programs call the same
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


def find(
    words: Sequence[str], sizes: Sequence[int] = (2, 1)
) -> tuple[type[Command], str, list[str]]:
    """Return the command that words begin with, its name, and the words behind it.

    Parameters
    ----------
    words : list of str
    sizes : list of int
        How many words the name may have, in the order of trial.
    """
    known: dict[str, None] = {}
    for registry in registries():
        for size in sizes:
            name = " ".join(words[:size])
            if name in registry.summaries:
                command = registry.get(name)
                if not (isinstance(command, type) and issubclass(command, Command)):
                    raise TypeError(
                        f"command {name}: expected a subclass of firstlight.tools.cli.command."
                        f"Command, got {command!r}"
                    )
                return command, name, list(words[size:])
        known |= dict.fromkeys(registry.summaries)
    if 1 in sizes:
        meant = OTHER_NAMES.get(words[0])
        single = [name for name in known if " " not in name]
        hint = f"; did you mean {meant}?" if meant else nearest(words[0], single)
        raise UsageError(f"unknown command {words[0]}{hint}")
    group, command = words[:2]
    there = [name.removeprefix(f"{group} ") for name in known if name.startswith(f"{group} ")]
    hint = nearest(command, there) or f"; there are {', '.join(there)}"
    raise UsageError(f"unknown command {group} {command}{hint}")


def overview(group: str = "") -> str:
    """Return a line about each command, or about each of a group such as "runs"."""
    lines = {}
    for registry in registries():
        for name, text in registry.summaries.items():
            head, _, tail = name.rpartition(" ")
            if head == group:
                lines.setdefault(tail, text or summary(registry.get(name)))
    width = 9 if group else 12
    return "\n".join(f"  {name:<{width}} {text}" for name, text in lines.items())
