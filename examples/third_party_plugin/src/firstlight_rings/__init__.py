"""A plugin for firstlight: what it offers, by name."""

from firstlight import hookimpl
from firstlight_rings.best import RingsBest
from firstlight_rings.data import load_rings
from firstlight_rings.draw import RingsDraw
from firstlight_rings.net import RingsNet

FIRSTLIGHT_API = 1  # the plugin interface this is written for


@hookimpl
def register_models(registry):
    """Offer the model."""
    registry.add("rings_net", RingsNet)


@hookimpl
def register_datasets(registry):
    """Offer the data set."""
    registry.add("rings", load_rings)


@hookimpl
def register_callbacks(registry):
    """Offer the callback."""
    registry.add("rings_best", RingsBest)


@hookimpl
def register_commands(registry):
    """Offer the command."""
    registry.add("rings", RingsDraw, "draw the rings as text")
