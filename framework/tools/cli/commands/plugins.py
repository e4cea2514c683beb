"""``firstlight models`` and ``plugins``: list models and plugins, or start a new plugin."""

import dataclasses
import json

from firstlight import plugins
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, Args, Command, Options, option
from firstlight.tools.cli.commands._scaffold import new_plugin
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell


class Models(Command):
    """List the models. The arguments of one: firstlight fit --model NAME --help."""

    def run(self, args: Args) -> int:
        """Print a table."""
        tell(listed("model"))
        return 0


def listed(kind: str) -> str:
    """Return a table of all names of a kind, what each is, and the package it came from."""
    registries, found = plugins.discover()
    origin = {name: plugin for plugin in found for name in plugin.offers.get(kind, ())}
    names = registries[kind].names()
    if not names:
        return f"no {kind} is installed"
    return text.table(
        (name, text.described(registries[kind], name), f"({origin[name].distribution})")
        for name in names
    )


class Plugins(Command):
    """List the installed plugins: name, package, version, hooks, what each offers; or write the
    files of a new plugin to start from.

    FIRSTLIGHT_PLUGINS=a,b allows only these plugins, beside firstlight's own.
    """

    usage = "[--json]\n       firstlight plugins new NAME [--directory DIR]"

    options: Options = (
        option("words", "nothing, or: new NAME", nargs="*"),
        JSON,
        option("--directory DIR", "where to write the new plugin's folder", "."),
    )

    def run(self, args: Args) -> int:
        """List the plugins, or make a new one."""
        words = args.words
        if words[:1] == ["new"] and len(words) == 2:
            with usage_errors(kinds=(FileExistsError, ValueError)):
                path = new_plugin(words[1], args.directory)
            tell(f"wrote {path}\nnext: pip install -e {path}, then: firstlight plugins")
            return 0
        if words:
            got = " ".join(words)
            raise UsageError(f"expected: plugins, or plugins new NAME [--directory DIR]; got {got}")
        found = plugins.discover()[1]
        if args.json:
            tell(json.dumps([dataclasses.asdict(plugin) for plugin in found], indent=2))
        else:
            tell("\n".join(described(plugin) for plugin in found) or "no plugins are installed")
        return 0


def described(plugin: plugins.Plugin) -> str:
    """Return the lines about one plugin."""
    lines = [f"{plugin.name}  {plugin.distribution} {plugin.version}  ({plugin.target})"]
    if plugin.error:
        lines.append(f"  broken: {plugin.error}")
    if plugin.hooks:
        lines.append(f"  hooks: {', '.join(plugin.hooks)}")
    lines += [f"  {kind}s: {', '.join(names)}" for kind, names in plugin.offers.items()]
    return "\n".join(lines)
