"""``firstlight plugins``: what is installed and from where; and a new plugin to start from."""

import dataclasses
import json

from firstlight import plugins
from firstlight.cli.errors import UsageError
from firstlight.cli.words import BARE, split

HELP = """\
usage: firstlight plugins [--json]
       firstlight plugins new NAME [--directory DIR]

List the installed plugins: name, package, version, hooks, what each offers; or write the files
of a new plugin to start from.

FIRSTLIGHT_PLUGINS=a,b allows only these plugins, beside firstlight's own.
"""


def run(argv):
    """List, or make a new one; returns the exit code."""
    positionals, pairs = split(argv)
    flags = dict(pairs)
    if "help" in flags:
        print(HELP, end="")
        return 0
    new = positionals[:1] == ["new"]
    for flag in flags:
        if flag != ("directory" if new else "json"):
            raise UsageError(f"unknown argument --{flag}")
    if new:
        return make(positionals[1:], flags.get("directory", "."))
    if positionals:
        raise UsageError(f"expected: plugins, or plugins new NAME; got {' '.join(positionals)}")
    found = plugins.discover()[1]
    if "json" in flags:
        print(json.dumps([dataclasses.asdict(plugin) for plugin in found], indent=2))
    else:
        print("\n".join(described(plugin) for plugin in found) or "no plugins are installed")
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


def make(names, directory):
    """Write a new plugin's files and say what to do with them."""
    if len(names) != 1 or directory is BARE:
        raise UsageError("expected: plugins new NAME [--directory DIR]")
    from firstlight.scaffold import new_plugin

    try:
        path = new_plugin(names[0], directory)
    except (FileExistsError, ValueError) as error:
        raise UsageError(str(error)) from error
    print(f"wrote {path}\nnext: pip install -e {path}, then: firstlight plugins")
    return 0
