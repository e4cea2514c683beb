"""``firstlight models``: which models there are."""

from firstlight import plugins
from firstlight.tools.cli import text
from firstlight.tools.cli.errors import Parser
from firstlight.tools.cli.text import tell


def run(words):
    """List; returns the exit code."""
    description = "List the models. The arguments of one: firstlight fit --model NAME --help"
    Parser("models", description).parse_args(words)
    tell(listed("model"))
    return 0


def listed(kind):
    """Return a table of all names of a kind, what each is, and the package it came from."""
    registries, found = plugins.discover()
    origin = {name: plugin for plugin in found for name in plugin.offers.get(kind, ())}
    names = registries[kind].names()
    if not names:
        return f"no {kind} is installed"
    return text.table(
        (name, text.summary(registries[kind].get(name)), f"({origin[name].distribution})")
        for name in names
    )
