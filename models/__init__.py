"""Models: networks that are ready to train, by class or by name."""

from firstlight.hookspecs import hookimpl
from firstlight.models.gpt import GPT
from firstlight.models.mlp import MLP
from firstlight.models.polynomial import Polynomial
from firstlight.models.vit import ViT

__all__ = ["GPT", "MLP", "Polynomial", "ViT"]


@hookimpl
def register_models(registry):
    """Offer firstlight's own models by name."""
    registry.add("gpt", GPT)
    registry.add("mlp", MLP)
    registry.add("polynomial", Polynomial)
    registry.add("vit", ViT)
