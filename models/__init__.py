"""Models: networks that are ready to train, by class or by name."""

from typing import Any

from firstlight.hookspecs import hookimpl
from firstlight.models.cnn import CNN
from firstlight.models.gpt import GPT
from firstlight.models.lenet5 import LeNet5
from firstlight.models.mlp import MLP
from firstlight.models.polynomial import Polynomial
from firstlight.models.resnet import ResNet
from firstlight.models.rnn import RNN
from firstlight.models.vit import ViT

__all__ = ["CNN", "GPT", "MLP", "RNN", "LeNet5", "Polynomial", "ResNet", "ViT"]


@hookimpl
def register_models(registry: Any) -> None:
    """Register the models of firstlight by name."""
    registry.add("cnn", CNN)
    registry.add("gpt", GPT)
    registry.add("lenet5", LeNet5)
    registry.add("mlp", MLP)
    registry.add("polynomial", Polynomial)
    registry.add("resnet", ResNet)
    registry.add("rnn", RNN)
    registry.add("vit", ViT)
