"""Layers, losses and initialisers; each file shows one forward and its backward."""

from firstlight.nn import init
from firstlight.nn.containers import Residual, Sequential
from firstlight.nn.linear import Linear

__all__ = ["Linear", "Residual", "Sequential", "init"]
