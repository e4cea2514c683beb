"""``firstlight plugins``: what is installed and from where; and a new plugin to start from."""

import dataclasses
import json

from firstlight import plugins
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
List the installed plugins: name, package, version, hooks, what each offers; or write the files
of a new plugin to start from.

FIRSTLIGHT_PLUGINS=a,b allows only these plugins, beside firstlight's own."""


def run(words):
    """List, or make a new one; returns the exit code."""
    usage = "firstlight plugins [--json]\n       firstlight plugins new NAME [--directory DIR]"
    parser = Parser("plugins", DESCRIPTION, usage=usage)
    parser.add_argument("words", nargs="*", help="nothing, or: new NAME")
    parser.add_argument("--json", action="store_true", help="list as JSON")
    parser.add_argument("--directory", default=".", help="where to write the new plugin's folder")
    own = parser.parse_args(words)
    if own.words[:1] == ["new"] and len(own.words) == 2:
        return make(own.words[1], own.directory)
    if own.words:
        got = " ".join(own.words)
        raise UsageError(f"expected: plugins, or plugins new NAME [--directory DIR]; got {got}")
    found = plugins.discover()[1]
    if own.json:
        tell(json.dumps([dataclasses.asdict(plugin) for plugin in found], indent=2))
    else:
        tell("\n".join(described(plugin) for plugin in found) or "no plugins are installed")
    return 0


def described(plugin):
    """Return the lines about one plugin."""
    lines = [f"{plugin.name}  {plugin.distribution} {plugin.version}  ({plugin.target})"]
    if plugin.error:
        lines.append(f"  broken: {plugin.error}")
    if plugin.hooks:
        lines.append(f"  hooks: {', '.join(plugin.hooks)}")
    lines += [f"  {kind}s: {', '.join(names)}" for kind, names in plugin.offers.items()]
    return "\n".join(lines)


def make(name, directory):
    """Write a new plugin's files and say what to do with them."""
    from firstlight.tools.cli.scaffold import new_plugin

    try:
        path = new_plugin(name, directory)
    except (FileExistsError, ValueError) as error:
        raise UsageError(str(error)) from error
    tell(f"wrote {path}\nnext: pip install -e {path}, then: firstlight plugins")
    return 0
