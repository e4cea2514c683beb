"""Lists of what is installed."""

from firstlight import plugins
from firstlight.cli import text


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
