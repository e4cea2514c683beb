"""Plugins of other packages: those that cannot be used. Runs in a child process."""

import warnings
from collections.abc import Iterator

from firstlight.tools.doctor.finding import Finding, Place, numpy_works, ok, warning


def examine(place: Place) -> Iterator[Finding]:
    """Examine all installed plugins, which imports them."""
    if not numpy_works():
        return
    from firstlight import plugins

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", plugins.PluginWarning)
        found = plugins.discover()[1]
    broken = [plugin for plugin in found if plugin.error]
    for plugin in broken:
        old = "plugin API" in plugin.error
        yield warning(
            "plugins",
            "plugin-old" if old else "plugin-broken",
            f"{plugin}: {plugin.error}",
            "its models, data sets and callbacks are missing",
            f"pip install -U {plugin.distribution}, or pip uninstall {plugin.distribution}",
        )
    for one in told:
        text = str(one.message)
        if text.startswith("plugin ") and any(plugin.error in text for plugin in broken):
            continue
        yield warning(
            "plugins",
            "plugin-conflict",
            text,
            "a name leads to another plugin than its user expects, or to none",
            "uninstall one of the plugins, or correct FIRSTLIGHT_PLUGINS",
        )
    others = [str(p) for p in found if p.distribution != plugins.OWN and not p.error]
    if not (broken or told):
        yield ok("plugins", ", ".join(others) or "none besides firstlight's own")
