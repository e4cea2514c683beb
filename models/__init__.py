"""Models: networks that are ready to train, by class or by name."""

from firstlight.hookspecs import hookimpl
from firstlight.models.mlp import MLP
from firstlight.models.polynomial import Polynomial
from firstlight.models.rnn import RNN

__all__ = ["MLP", "RNN", "Polynomial"]


@hookimpl
def register_models(registry):
    """Offer firstlight's own models by name."""
    registry.add("mlp", MLP)
    registry.add("polynomial", Polynomial)
    registry.add("rnn", RNN)
